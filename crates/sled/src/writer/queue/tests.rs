use revocable_core::{Bucket, ChangeKind, Digest, UserId};

use super::super::request::Answer;
use super::*;

fn id(n: u64) -> SessionId {
    let user = UserId::new("alice").unwrap();
    SessionId::new(0, Bucket::of(&user), n.to_be_bytes())
}

fn touch(now_ms: i64) -> Change {
    Change {
        liveness: Liveness::at(now_ms),
        kind: ChangeKind::Touch,
    }
}

#[test]
fn only_the_latest_touch_of_a_session_is_kept() {
    let queue = Queue::new(1);
    for now_ms in [1, 3, 2] {
        queue.add_soon(id(1), &touch(now_ms));
    }
    assert_eq!(queue.take_soon(id(1)), [touch(3)]);
    assert_eq!(queue.take_soon(id(1)), []);
}

#[test]
fn what_may_come_soon_is_bounded() {
    let queue = Queue::new(1);
    for n in 0..MAX_SOON as u64 + 10 {
        queue.add_soon(id(n), &touch(1));
    }
    assert_eq!(queue.lock().soon.len(), MAX_SOON);
    queue.add_soon(id(0), &touch(2));
    assert_eq!(queue.take_soon(id(0)), [touch(2)]);
}

#[test]
fn a_closed_queue_is_emptied_before_the_writer_ends() {
    let queue = Queue::new(1);
    queue.add_soon(id(1), &touch(1));
    queue.close();
    assert!(matches!(queue.next(true), Work::Batch(_, soon) if soon.len() == 1));
    assert!(matches!(queue.next(true), Work::Closed));
}

#[test]
fn changes_of_one_session_are_kept_in_order_and_only_a_few() {
    let queue = Queue::new(1);
    let confirm = |n: u8| Change {
        liveness: Liveness::at(1),
        kind: ChangeKind::ConfirmSuccessor {
            digest: Digest::from_bytes([n; 32]),
        },
    };
    let changes = [
        touch(1),
        confirm(1),
        touch(2),
        confirm(2),
        confirm(3),
        touch(3),
    ];
    for change in &changes {
        queue.add_soon(id(1), change);
    }
    assert_eq!(queue.take_soon(id(1)), changes[..MAX_SOON_EACH]);
}

#[test]
fn what_is_to_come_soon_waits_for_its_time_and_no_longer() {
    let queue = Queue::new(1);
    let before = Instant::now();
    queue.add_soon(id(1), &touch(1));
    assert!(queue.lock().soon_due.unwrap() >= before + SOON);
    let later = Instant::now() + Duration::from_secs(3_600);
    queue.lock().soon_due = Some(later);
    // It does not put off those that wait.
    queue.add_soon(id(2), &touch(1));
    assert_eq!(queue.lock().soon_due, Some(later));
    assert!(matches!(queue.next(true), Work::Idle));
    queue.lock().soon_due = Some(Instant::now());
    let work = queue.next(true);
    assert!(matches!(work, Work::Batch(requests, soon) if requests.is_empty() && soon.len() == 2));
    assert_eq!(queue.lock().soon_due, None);
    assert!(matches!(queue.next(true), Work::Idle));
}

#[test]
fn a_queue_that_refuses_gives_out_what_waits_and_takes_no_more_until_it_accepts() {
    let queue = Queue::new(2);
    let health = || Request::Health(Answer::new().0);
    queue.add(health()).unwrap();
    assert_eq!(queue.refuse().len(), 1);
    assert!(queue.add(health()).is_err());
    assert!(matches!(queue.next(true), Work::Idle));
    queue.accept();
    queue.add(health()).unwrap();
    assert!(matches!(queue.next(true), Work::Batch(requests, _) if requests.len() == 1));
}
