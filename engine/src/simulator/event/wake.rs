/// The wake queue: which items are due at which coming step.
///
/// Steps are whole numbers and never further away than `horizon`, so the queue is a ring of buckets, each
/// a doubly linked list threaded through two arrays. Every item is due at most once; setting, clearing
/// and taking an item are O(1), and nothing is allocated after construction. Memory: 12 bytes per item.
#[derive(Clone, Debug)]
pub struct WakeQueue {
    /// First item of each bucket.
    heads: Vec<u32>,
    next: Vec<u32>,
    previous: Vec<u32>,
    /// The bucket of each item.
    bucket: Vec<u32>,
    /// Items that are due at some step.
    due: usize,
}

/// No item, or no bucket.
const NONE: u32 = u32::MAX;

impl WakeQueue {
    /// An empty queue for the items `0..items` and steps fewer than `horizon` away.
    ///
    /// # Panics
    /// If `horizon` is 0.
    #[must_use]
    pub fn new(items: usize, horizon: usize) -> Self {
        assert!(horizon > 0, "a queue with a horizon of 0 steps can hold nothing");
        Self {
            heads: vec![NONE; horizon],
            next: vec![NONE; items],
            previous: vec![NONE; items],
            bucket: vec![NONE; items],
            due: 0,
        }
    }

    /// Makes an item due at a step, instead of when it was due before.
    ///
    /// The step must be less than the horizon away from the step taken last.
    pub fn set(&mut self, item: u32, step: u64) {
        let bucket = (step % self.heads.len() as u64) as u32;
        if self.bucket[item as usize] == bucket {
            return;
        }
        self.clear(item);
        let first = std::mem::replace(&mut self.heads[bucket as usize], item);
        self.next[item as usize] = first;
        self.previous[item as usize] = NONE;
        if first != NONE {
            self.previous[first as usize] = item;
        }
        self.bucket[item as usize] = bucket;
        self.due += 1;
    }

    /// Makes an item not due.
    pub fn clear(&mut self, item: u32) {
        let bucket = std::mem::replace(&mut self.bucket[item as usize], NONE);
        if bucket == NONE {
            return;
        }
        self.due -= 1;
        let (previous, next) = (self.previous[item as usize], self.next[item as usize]);
        match previous {
            NONE => self.heads[bucket as usize] = next,
            _ => self.next[previous as usize] = next,
        }
        if next != NONE {
            self.previous[next as usize] = previous;
        }
    }

    /// Makes no item due.
    pub fn clear_all(&mut self) {
        self.heads.fill(NONE);
        self.bucket.fill(NONE);
        self.due = 0;
    }

    /// Whether no item is due at any step.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.due == 0
    }

    /// Calls `each` for every item due at a step, in no particular order, and takes it out.
    pub fn take(&mut self, step: u64, mut each: impl FnMut(u32)) {
        let bucket = (step % self.heads.len() as u64) as usize;
        let mut item = std::mem::replace(&mut self.heads[bucket], NONE);
        while item != NONE {
            self.bucket[item as usize] = NONE;
            self.due -= 1;
            let next = self.next[item as usize];
            each(item);
            item = next;
        }
    }
}
