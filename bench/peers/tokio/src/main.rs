// The figures of tasks.c, groups.c and sleepers.c with tokio tasks on one thread.
//
//     tasks_tokio micro|skynet [divisor] | sleepers <count> <milliseconds>
//     tasks_tokio pipeline [items [stages]] | children|cancel|deadlines [count]
//
// Built by bench/run with Debian's cargo from Debian's librust packages, without a network.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, Notify};
use tokio::task::{yield_now, JoinSet};

fn figure(name: &str, value: f64, unit: &str) {
    println!("{} {:.6} {}", name, value, unit);
}

/// CPU time of the process in nanoseconds: what never waits is measured by it.
fn cpu() -> f64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut now) };
    now.tv_sec as f64 * 1e9 + now.tv_nsec as f64
}

fn each(start: f64, count: usize) -> f64 {
    (cpu() - start) / count as f64
}

/// A line of /proc/self/status, in bytes.
fn status(key: &str) -> f64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    text.lines()
        .find(|line| line.starts_with(key))
        .and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok())
        .unwrap_or(0.0)
        * 1024.0
}

fn memory() -> f64 {
    status("VmRSS:") + status("VmPTE:")
}

async fn join_all(set: &mut JoinSet<()>) {
    while let Some(ended) = set.join_next().await {
        ended.unwrap();
    }
}

async fn measure_yield(tasks: usize, total: usize) -> f64 {
    let count = total / tasks + 1;
    let mut set = JoinSet::new();
    let start = cpu();
    for _ in 0..tasks {
        set.spawn(async move {
            for _ in 0..count {
                yield_now().await;
            }
        });
    }
    join_all(&mut set).await;
    each(start, count * tasks)
}

async fn measure_handoff(count: usize) -> f64 {
    let (mine, other) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let mut set = JoinSet::new();
    mine.notify_one();
    let start = cpu();
    for (own, to) in [(mine.clone(), other.clone()), (other, mine)] {
        set.spawn(async move {
            for _ in 0..count {
                own.notified().await;
                to.notify_one();
            }
        });
    }
    join_all(&mut set).await;
    each(start, count * 2)
}

async fn measure_channel(count: usize) -> f64 {
    let (there, mut at_other) = mpsc::channel::<usize>(1);
    let (back, mut at_home) = mpsc::channel::<usize>(1);
    let mut set = JoinSet::new();
    set.spawn(async move {
        while let Some(item) = at_other.recv().await {
            back.send(item).await.unwrap();
        }
    });
    let start = cpu();
    for i in 0..count {
        there.send(i).await.unwrap();
        at_home.recv().await.unwrap();
    }
    let took = each(start, count * 2);
    drop(there);
    join_all(&mut set).await;
    took
}

async fn measure_spawn(at_once: usize, total: usize) -> f64 {
    let rounds = total / at_once + 1;
    let start = cpu();
    for _ in 0..rounds {
        let mut set = JoinSet::new();
        for _ in 0..at_once {
            set.spawn(async {});
        }
        join_all(&mut set).await;
    }
    each(start, rounds * at_once)
}

async fn measure_timeout(count: usize) -> f64 {
    let start = cpu();
    for _ in 0..count {
        let _ = tokio::time::timeout(Duration::from_secs(10), async {}).await;
    }
    each(start, count)
}

async fn micro(divisor: usize) {
    measure_yield(100, 100000 / divisor).await;
    measure_spawn(100, 100000 / divisor).await;
    figure("yield_2", measure_yield(2, 2000000 / divisor).await, "ns");
    figure("yield_100", measure_yield(100, 2000000 / divisor).await, "ns");
    figure("handoff", measure_handoff(500000 / divisor + 1).await, "ns");
    figure("channel", measure_channel(500000 / divisor + 1).await, "ns");
    figure("spawn_join", measure_spawn(1, 1000000 / divisor).await, "ns");
    figure("spawn_join_100", measure_spawn(100, 1000000 / divisor).await, "ns");
    figure("timeout", measure_timeout(1000000 / divisor + 1).await, "ns");
}

fn grow(number: usize, size: usize) -> Pin<Box<dyn Future<Output = usize> + Send>> {
    Box::pin(async move {
        if size == 1 {
            return number;
        }
        let mut set = JoinSet::new();
        for i in 0..10 {
            set.spawn(grow(number + i * (size / 10), size / 10));
        }
        let mut sum = 0;
        while let Some(part) = set.join_next().await {
            sum += part.unwrap();
        }
        sum
    })
}

async fn skynet(divisor: usize) {
    let mut leaves = 1;
    while leaves * 10 <= 1000000 / divisor {
        leaves *= 10;
    }
    let mut took = Vec::new();
    for _ in 0..5 {
        let start = cpu();
        assert_eq!(grow(0, leaves).await, leaves * (leaves - 1) / 2);
        took.push(each(start, 1) / 1e6);
    }
    took.sort_by(|a, b| a.partial_cmp(b).unwrap());
    figure("skynet", took[2], "ms");
    figure("skynet_peak", status("VmHWM:") / 1e6, "MB");
}

async fn sleepers(count: usize, sleep_ms: usize) {
    let late = Arc::new(Mutex::new(Vec::with_capacity(count)));
    let begun = Arc::new(AtomicUsize::new(0));
    let asleep = Arc::new(Notify::new());
    let sleep = Duration::from_millis(sleep_ms as u64);
    let base = memory();
    let start = Instant::now();
    let mut set = JoinSet::new();
    for _ in 0..count {
        let (late, begun, asleep) = (late.clone(), begun.clone(), asleep.clone());
        set.spawn(async move {
            let due = Instant::now() + sleep;
            if begun.fetch_add(1, Relaxed) + 1 == count {
                asleep.notify_one();
            }
            tokio::time::sleep(sleep).await;
            let overshoot = Instant::now().saturating_duration_since(due).as_secs_f64() * 1e3;
            late.lock().unwrap().push(overshoot);
        });
    }
    asleep.notified().await;
    let created = start.elapsed();
    let bytes = memory() - base;
    join_all(&mut set).await;
    let mut late = late.lock().unwrap();
    late.sort_by(|a, b| a.partial_cmp(b).unwrap());
    figure("create", created.as_secs_f64() * 1e3, "ms");
    figure("memory", bytes / count as f64, "B");
    figure("overshoot_p50", late[count / 2], "ms");
    figure("overshoot_max", late[count - 1], "ms");
    figure("cpu", cpu() / 1e3 / count as f64, "us");
}

async fn pipeline(items: usize, stages: usize) {
    let mut set = JoinSet::new();
    let (first, mut source) = mpsc::channel::<usize>(1);
    for _ in 0..stages {
        let (to, next) = mpsc::channel::<usize>(1);
        set.spawn(async move {
            while let Some(item) = source.recv().await {
                to.send(item).await.unwrap();
            }
        });
        source = next;
    }
    yield_now().await;
    let start = cpu();
    set.spawn(async move {
        for i in 0..items {
            first.send(i).await.unwrap();
        }
    });
    while source.recv().await.is_some() {}
    figure("pipeline", each(start, items * (stages + 1)), "ns");
    join_all(&mut set).await;
}

async fn children(most: usize) {
    let few = most.min(1000);
    measure_spawn(most, most - 1).await;
    figure("children_few", measure_spawn(few, most).await, "ns");
    figure("children_many", measure_spawn(most, most - 1).await, "ns");
}

struct Leaving(Arc<AtomicUsize>);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// A set of its own for each branch: aborting a task drops its set, and aborts what is in it.
fn tree(size: usize, alive: Arc<AtomicUsize>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        alive.fetch_add(1, Relaxed);
        let _leaving = Leaving(alive.clone());
        if size == 1 {
            std::future::pending::<()>().await;
        }
        let mut set = JoinSet::new();
        for _ in 0..10 {
            set.spawn(tree(size / 10, alive.clone()));
        }
        join_all(&mut set).await;
    })
}

async fn cancel(wanted: usize) {
    let (mut leaves, mut tasks) = (1, 1);
    while leaves * 10 <= wanted {
        leaves *= 10;
        tasks += leaves;
    }
    let alive = Arc::new(AtomicUsize::new(0));
    let root = tokio::task::spawn(tree(leaves, alive.clone()));
    while alive.load(Relaxed) < tasks {
        yield_now().await;
    }
    let start = cpu();
    root.abort();
    while alive.load(Relaxed) > 0 {
        yield_now().await;
    }
    figure("cancel", each(start, tasks), "ns");
}

async fn deadlines(count: usize) {
    let waiting = Arc::new(AtomicUsize::new(0));
    let wake = Arc::new(Notify::new());
    let base = memory();
    let start = cpu();
    let mut set = JoinSet::new();
    for _ in 0..count {
        let (waiting, wake) = (waiting.clone(), wake.clone());
        set.spawn(async move {
            waiting.fetch_add(1, Relaxed);
            let _ = tokio::time::timeout(Duration::from_secs(3600), wake.notified()).await;
        });
    }
    while waiting.load(Relaxed) < count {
        yield_now().await;
    }
    figure("deadline_arm", each(start, count), "ns");
    figure("deadline_memory", (memory() - base) / count as f64, "B");
    let start = cpu();
    wake.notify_waiters();
    join_all(&mut set).await;
    figure("deadline_wake", each(start, count), "ns");
}

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let number = move |words: &[String], index: usize, or_else: usize| {
        words.get(index).and_then(|word| word.parse().ok()).filter(|n| *n > 0).unwrap_or(or_else)
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let main = runtime.spawn(async move {
        let number = |index, or_else| number(&words, index, or_else);
        match words.get(1).map(String::as_str) {
            Some("micro") => micro(number(2, 1)).await,
            Some("skynet") => skynet(number(2, 1)).await,
            Some("sleepers") => sleepers(number(2, 1000), number(3, 1000)).await,
            Some("pipeline") => pipeline(number(2, 2000), number(3, 1000)).await,
            Some("children") => children(number(2, 1000000)).await,
            Some("cancel") => cancel(number(2, 100000)).await,
            Some("deadlines") => deadlines(number(2, 100000)).await,
            _ => eprintln!("usage: tasks_tokio micro|skynet|sleepers|pipeline|children|cancel|deadlines"),
        }
    });
    runtime.block_on(main).unwrap();
}
