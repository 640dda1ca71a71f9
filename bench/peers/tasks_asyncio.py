"""The figures of tasks.c and sleepers.c with asyncio tasks.

usage: tasks_asyncio.py micro|skynet [divisor] | sleepers <count> <milliseconds>
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


def main():
    numbers = [int(word) for word in sys.argv[2:]]
    what = sys.argv[1] if len(sys.argv) > 1 else ""
    if what in ("micro", "skynet"):
        asyncio.run({"micro": micro, "skynet": skynet}[what](numbers[0] if numbers else 1))
    elif what == "sleepers" and len(numbers) == 2:
        asyncio.run(sleepers(*numbers))
    else:
        sys.exit(__doc__)


main()
