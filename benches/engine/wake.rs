use std::cmp::Reverse;
use std::collections::BinaryHeap;

use criterion::{Criterion, Throughput};
use priority_queue::PriorityQueue;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use snn_engine::WakeQueue;

const ITEMS: u32 = 100_000;
const HORIZON: u64 = 17;

/// Hold model: 100,000 pending items, each becoming due again 1 to 16 steps after it was taken.
pub fn bench(criterion: &mut Criterion) {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let delays: Vec<u64> = (0..1 << 20).map(|_| rng.random_range(1..HORIZON)).collect();
    let delay = |item: u32, step: u64| delays[(u64::from(item) * 31 + step * 7) as usize % delays.len()];
    let mut group = criterion.benchmark_group("wake queue");

    let mut wake = WakeQueue::new(ITEMS as usize, HORIZON as usize);
    (0..ITEMS).for_each(|item| wake.set(item, delay(item, 0)));
    let mut step = 0;
    let mut taken = Vec::new();
    let mut ring = || {
        step += 1;
        taken.clear();
        wake.take(step, |item| taken.push(item));
        taken.iter().for_each(|&item| wake.set(item, step + delay(item, step)));
        taken.len()
    };

    let mut heap: BinaryHeap<Reverse<(u64, u32)>> =
        (0..ITEMS).map(|item| Reverse((delay(item, 0), item))).collect();
    let mut heap_step = 0;
    let mut binary = || {
        heap_step += 1;
        let mut taken = 0;
        while heap.peek().is_some_and(|next| next.0.0 == heap_step) {
            let Reverse((_, item)) = heap.pop().unwrap();
            heap.push(Reverse((heap_step + delay(item, heap_step), item)));
            taken += 1;
        }
        taken
    };

    let mut queue: PriorityQueue<u32, Reverse<u64>> =
        (0..ITEMS).map(|item| (item, Reverse(delay(item, 0)))).collect();
    let mut queue_step = 0;
    let mut priorities = || {
        queue_step += 1;
        let mut taken = 0;
        while queue.peek().is_some_and(|next| next.1.0 == queue_step) {
            let (item, _) = queue.pop().unwrap();
            queue.push(item, Reverse(queue_step + delay(item, queue_step)));
            taken += 1;
        }
        taken
    };

    for _ in 0..40 {
        let expected = binary();
        assert!(expected > 5_000, "{expected} items due");
        assert_eq!((ring(), priorities()), (expected, expected));
    }
    group.throughput(Throughput::Elements(u64::from(ITEMS) * 2 / HORIZON));
    group.bench_function("ring of buckets", |bencher| bencher.iter(&mut ring));
    group.bench_function("rival: std BinaryHeap", |bencher| bencher.iter(&mut binary));
    group.bench_function("rival: priority-queue", |bencher| bencher.iter(&mut priorities));
    group.finish();
}
