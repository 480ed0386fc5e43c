//! Futures driven by hand: a store's operation halted at each of its await
//! points while another one runs.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use crate::harness::Harness;
use crate::random::Random;

/// A future on the heap.
pub(crate) type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Drives a future by the harness and gives its result.
pub(crate) fn block_on<T: Send>(
    harness: &dyn Harness,
    future: impl Future<Output = T> + Send,
) -> T {
    let result = Mutex::new(None);
    harness.block_on(Box::pin(async {
        let value = future.await;
        *result.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
    }));
    result
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner)
        .expect("a harness drives a future to its end")
}

/// Polls a future so many times, each time when it asked for it, and no more;
/// its result if it came to its end.
pub(crate) async fn poll_times<T>(future: &mut Boxed<'_, T>, times: u32) -> Option<T> {
    let mut left = times;
    poll_fn(move |context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(context) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Drives the first future to its end and then the second. If the first
/// cannot go on by itself, as when the second holds a lock that it waits for,
/// the second may take a step.
pub(crate) async fn finish_in_order<A, B>(
    mut first: Boxed<'_, A>,
    mut second: Boxed<'_, B>,
) -> (A, B) {
    let flag = Arc::new(Flag::default());
    let waker = Waker::from(flag.clone());
    let mut second_result = None;
    let first_result = poll_fn(|context| {
        flag.forward_to(context.waker());
        // A bound, because it may be spinning until the second has moved.
        for _ in 0..1_000 {
            flag.lower();
            if let Poll::Ready(value) = first.as_mut().poll(&mut Context::from_waker(&waker)) {
                return Poll::Ready(value);
            }
            if !flag.is_raised() {
                break;
            }
        }
        if second_result.is_none()
            && let Poll::Ready(value) = second.as_mut().poll(context)
        {
            second_result = Some(value);
        }
        if flag.is_raised() {
            context.waker().wake_by_ref();
        }
        Poll::Pending
    })
    .await;
    let second_result = match second_result {
        Some(value) => value,
        None => second.await,
    };
    (first_result, second_result)
}

/// Drives all to their ends, a step of one and then a step of another, as
/// chance will have it.
pub(crate) async fn finish_at_random(mut tasks: Vec<Boxed<'_, ()>>, random: &mut Random<'_>) {
    let mut flags: Vec<Arc<Flag>> = Vec::new();
    flags.resize_with(tasks.len(), || {
        let flag = Flag::default();
        flag.raised.store(true, Ordering::SeqCst);
        Arc::new(flag)
    });
    poll_fn(|context| {
        for flag in &flags {
            flag.forward_to(context.waker());
        }
        loop {
            if tasks.is_empty() {
                return Poll::Ready(());
            }
            let ready: Vec<usize> = (0..tasks.len())
                .filter(|&index| flags[index].is_raised())
                .collect();
            if ready.is_empty() {
                return Poll::Pending;
            }
            let index = *random.pick(&ready);
            flags[index].lower();
            let waker = Waker::from(flags[index].clone());
            let polled = tasks[index].as_mut().poll(&mut Context::from_waker(&waker));
            if polled.is_ready() {
                drop(tasks.swap_remove(index));
                flags.swap_remove(index);
            }
        }
    })
    .await;
}

/// Whether a future asked to be polled again.
#[derive(Default)]
struct Flag {
    raised: AtomicBool,
    outer: Mutex<Option<Waker>>,
}

impl Flag {
    fn lower(&self) {
        self.raised.store(false, Ordering::SeqCst);
    }

    fn is_raised(&self) -> bool {
        self.raised.load(Ordering::SeqCst)
    }

    fn forward_to(&self, waker: &Waker) {
        *self.outer.lock().unwrap_or_else(PoisonError::into_inner) = Some(waker.clone());
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.raised.store(true, Ordering::SeqCst);
        let outer = self
            .outer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some(waker) = outer {
            waker.wake();
        }
    }
}
