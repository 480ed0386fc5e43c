use std::time::Duration;

use super::*;
use crate::watch::Watch;

struct NoDisk;

impl Sync for NoDisk {
    fn sync(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn thread() -> Thread {
    let database = sled::Config::new().temporary(true).open().unwrap();
    let meta = database.open_tree("meta").unwrap();
    let trees = Trees::open(&database, 0).unwrap();
    let watch = Arc::new(Watch::new(Duration::from_secs(60)));
    let shared = Shared::new(database, meta, trees, 0, watch);
    let queue = Arc::new(Queue::new(1));
    let written = Written { floor: 0, count: 0 };
    Thread::new(
        Arc::new(shared),
        queue,
        Box::new(NoDisk),
        written,
        Vec::new(),
    )
}

#[test]
fn what_is_current_is_never_cleared_away() {
    let mut thread = thread();
    let trees = thread.shared.trees();
    for tree in trees.all() {
        tree.insert(b"key", b"value").unwrap();
    }
    thread.garbage = trees.all().map(Clone::clone).into();
    while !thread.garbage.is_empty() {
        thread.clear();
    }
    for tree in trees.all() {
        assert_eq!(tree.len(), 1);
    }
}
