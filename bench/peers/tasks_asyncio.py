"""The figures of tasks.c, groups.c and sleepers.c with asyncio tasks.

usage: tasks_asyncio.py micro|skynet [divisor] | sleepers <count> <milliseconds>
       tasks_asyncio.py pipeline [items [stages]] | children|cancel|deadlines [count]
"""

import asyncio
import resource
import sys
import time


def figure(name, value, unit):
    print(f"{name} {value:.6g} {unit}", flush=True)


def status(key):
    with open("/proc/self/status", encoding="ascii") as lines:
        for line in lines:
            if line.startswith(key):
                return int(line.split()[1]) * 1024
    return 0


def memory():
    return status("VmRSS:") + status("VmPTE:")


def each(start_ns, count):
    """CPU time: nothing that is measured with it waits."""
    return (time.process_time_ns() - start_ns) / count


async def nothing():
    pass


async def measure_yield(tasks, total):
    count = total // tasks + 1

    async def yield_often():
        for _ in range(count):
            await asyncio.sleep(0)

    start_ns = time.process_time_ns()
    await asyncio.gather(*(yield_often() for _ in range(tasks)))
    return each(start_ns, count * tasks)


async def measure_handoff(count):
    mine, other = asyncio.Event(), asyncio.Event()

    async def pass_on(own, to):
        for _ in range(count):
            await own.wait()
            own.clear()
            to.set()

    mine.set()
    start_ns = time.process_time_ns()
    await asyncio.gather(pass_on(mine, other), pass_on(other, mine))
    return each(start_ns, count * 2)


async def measure_channel(count):
    there, back = asyncio.Queue(1), asyncio.Queue(1)

    async def send_back():
        for _ in range(count):
            await back.put(await there.get())

    task = asyncio.create_task(send_back())
    start_ns = time.process_time_ns()
    for _ in range(count):
        await there.put(None)
        await back.get()
    took = each(start_ns, count * 2)
    await task
    return took


async def measure_spawn(at_once, total):
    rounds = total // at_once + 1
    start_ns = time.process_time_ns()
    for _ in range(rounds):
        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(nothing())
    return each(start_ns, rounds * at_once)


async def measure_timeout(count):
    start_ns = time.process_time_ns()
    for _ in range(count):
        async with asyncio.timeout(10):
            pass
    return each(start_ns, count)


async def micro(divisor):
    await measure_yield(100, 10000 // divisor + 1)
    figure("yield_2", await measure_yield(2, 200000 // divisor), "ns")
    figure("yield_100", await measure_yield(100, 200000 // divisor), "ns")
    figure("handoff", await measure_handoff(50000 // divisor + 1), "ns")
    figure("channel", await measure_channel(50000 // divisor + 1), "ns")
    figure("spawn_join", await measure_spawn(1, 50000 // divisor), "ns")
    figure("spawn_join_100", await measure_spawn(100, 100000 // divisor), "ns")
    figure("timeout", await measure_timeout(100000 // divisor + 1), "ns")


async def grow(number, size):
    if size == 1:
        return number
    part = size // 10
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(grow(number + i * part, part)) for i in range(10)]
    return sum(task.result() for task in tasks)


async def skynet(divisor):
    leaves = 1
    while leaves * 10 <= 1000000 // divisor:
        leaves *= 10
    start_ns = time.process_time_ns()
    assert await grow(0, leaves) == leaves * (leaves - 1) // 2
    figure("skynet", each(start_ns, 1) / 1e6, "ms")
    figure("skynet_peak", status("VmHWM:") / 1e6, "MB")


async def sleepers(count, sleep_ms):
    late_ns = []
    asleep = asyncio.Event()
    begun = 0

    async def sleep_once():
        nonlocal begun
        begun += 1
        due_ns = time.monotonic_ns() + sleep_ms * 1000000
        if begun == count:
            asleep.set()
        await asyncio.sleep(sleep_ms / 1000)
        late_ns.append(time.monotonic_ns() - due_ns)

    base = memory()
    start_ns = time.monotonic_ns()
    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(sleep_once())
        await asleep.wait()
        created_ns = time.monotonic_ns() - start_ns
        used = memory() - base
    usage = resource.getrusage(resource.RUSAGE_SELF)
    late_ns.sort()
    figure("create", created_ns / 1e6, "ms")
    figure("memory", used / count, "B")
    figure("overshoot_p50", late_ns[count // 2] / 1e6, "ms")
    figure("overshoot_max", late_ns[-1] / 1e6, "ms")
    figure("cpu", (usage.ru_utime + usage.ru_stime) * 1e6 / count, "us")


async def pipeline(items=50, stages=1000):
    end = object()
    queues = [asyncio.Queue(1) for _ in range(stages + 1)]

    async def pass_on(source, to):
        item = None
        while item is not end:
            item = await source.get()
            await to.put(item)

    async def make_items():
        for _ in range(items):
            await queues[0].put(None)
        await queues[0].put(end)

    async with asyncio.TaskGroup() as group:
        for source, to in zip(queues, queues[1:]):
            group.create_task(pass_on(source, to))
        await asyncio.sleep(0)
        start_ns = time.process_time_ns()
        group.create_task(make_items())
        while await queues[-1].get() is not end:
            pass
        figure("pipeline", each(start_ns, items * (stages + 1)), "ns")


async def children(most=1000000):
    few = min(most, 1000)
    figure("children_few", await measure_spawn(few, min(most, 100000)), "ns")
    figure("children_many", await measure_spawn(most, most - 1), "ns")


async def cancel(wanted=100000):
    leaves = tasks = 1
    while leaves * 10 <= wanted:
        leaves *= 10
        tasks += leaves
    waiting = 0
    all_wait, never = asyncio.Event(), asyncio.Event()

    async def tree(size):
        nonlocal waiting
        if size == 1:
            waiting += 1
            if waiting == leaves:
                all_wait.set()
            await never.wait()
            return
        async with asyncio.TaskGroup() as group:
            for _ in range(10):
                group.create_task(tree(size // 10))

    root = asyncio.create_task(tree(leaves))
    await all_wait.wait()
    start_ns = time.process_time_ns()
    root.cancel()
    try:
        await root
    except asyncio.CancelledError:
        figure("cancel", each(start_ns, tasks), "ns")


async def deadlines(count=100000):
    waiting = 0
    all_wait, wake = asyncio.Event(), asyncio.Event()

    async def wait_with_deadline():
        nonlocal waiting
        async with asyncio.timeout(3600):
            waiting += 1
            if waiting == count:
                all_wait.set()
            await wake.wait()

    base = memory()
    start_ns = time.process_time_ns()
    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(wait_with_deadline())
        await all_wait.wait()
        figure("deadline_arm", each(start_ns, count), "ns")
        figure("deadline_memory", (memory() - base) / count, "B")
        start_ns = time.process_time_ns()
        wake.set()
    figure("deadline_wake", each(start_ns, count), "ns")


def main():
    numbers = [int(word) for word in sys.argv[2:]]
    what = sys.argv[1] if len(sys.argv) > 1 else ""
    if what in ("micro", "skynet"):
        asyncio.run({"micro": micro, "skynet": skynet}[what](numbers[0] if numbers else 1))
    elif what == "sleepers" and len(numbers) == 2:
        asyncio.run(sleepers(*numbers))
    elif what in ("pipeline", "children", "cancel", "deadlines"):
        parts = {"pipeline": pipeline, "children": children, "cancel": cancel,
                 "deadlines": deadlines}
        asyncio.run(parts[what](*numbers))
    else:
        sys.exit(__doc__)


main()
