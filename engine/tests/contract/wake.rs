//! The wake queue against two queues of other makers, over random orders.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use priority_queue::PriorityQueue;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use snn_engine::WakeQueue;

/// std's heap: an item is due when it was last said to be, so older entries are passed over.
#[derive(Default)]
struct Heap {
    heap: BinaryHeap<Reverse<(u64, u32)>>,
    due: Vec<Option<u64>>,
}

impl Heap {
    fn set(&mut self, item: u32, step: Option<u64>) {
        self.due[item as usize] = step;
        self.heap.extend(step.map(|step| Reverse((step, item))));
    }

    fn take(&mut self, step: u64) -> Vec<u32> {
        let mut items = vec![];
        while let Some(&Reverse((due, item))) = self.heap.peek()
            && due <= step
        {
            self.heap.pop();
            if self.due[item as usize] == Some(due) {
                self.due[item as usize] = None;
                items.push(item);
            }
        }
        items
    }
}

#[test]
fn the_wake_queue_gives_the_same_items_as_a_binary_heap_and_a_priority_queue() {
    let mut given = 0;
    for seed in 0..40 {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let items: u32 = rng.random_range(1..60);
        let horizon: u64 = rng.random_range(1..30);
        let mut wake = WakeQueue::new(items as usize, horizon as usize);
        let mut heap = Heap { due: vec![None; items as usize], ..Heap::default() };
        let mut priorities: PriorityQueue<u32, Reverse<u64>> = PriorityQueue::new();
        for step in 0..600 {
            let mut from_wake = vec![];
            wake.take(step, |item| from_wake.push(item));
            from_wake.sort_unstable();
            let mut from_priorities = vec![];
            while let Some((item, _)) = priorities.pop_if(|_, due| due.0 <= step) {
                from_priorities.push(item);
            }
            from_priorities.sort_unstable();
            assert_eq!(from_wake, heap.take(step), "seed {seed}, step {step}");
            assert_eq!(from_wake, from_priorities, "seed {seed}, step {step}");
            given += from_wake.len();
            for _ in 0..rng.random_range(0..8) {
                let item = rng.random_range(0..items);
                if rng.random_bool(0.2) {
                    wake.clear(item);
                    heap.set(item, None);
                    priorities.remove(&item);
                } else if horizon > 1 {
                    let due = step + rng.random_range(1..horizon);
                    wake.set(item, due);
                    heap.set(item, Some(due));
                    priorities.push(item, Reverse(due));
                }
            }
            if rng.random_bool(0.005) {
                wake.clear_all();
                (0..items).for_each(|item| heap.set(item, None));
                priorities.clear();
            }
        }
    }
    assert!(given > 10_000, "only {given} items were ever due");
}
