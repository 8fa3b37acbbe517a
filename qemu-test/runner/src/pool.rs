// SPDX-License-Identifier: GPL-2.0

//! Does several jobs at once, as guests wait for much of their time.

use std::collections::VecDeque;
use std::num::NonZero;
use std::sync::mpsc::channel;
use std::sync::{Mutex, PoisonError};
use std::thread::{available_parallelism, scope};

use anyhow::Result;

/// More guests take more memory (up to 2 GiB each) than they save time.
const MOST: usize = 3;

/// How many jobs to do at once on this host: one more than it has processors. A guest that
/// waits (for a grace period, or for the next try of a live patch's transition) leaves a
/// processor to another one.
pub fn workers() -> usize {
    (available_parallelism().map_or(1, NonZero::get) + 1).min(MOST)
}

/// Does the jobs in this order, `workers` at a time. `tell` hears, in the calling thread,
/// what the jobs tell.
///
/// # Errors
/// The first error of a job; those that have not begun by then never do.
pub fn run<J: Send, T: Send>(
    jobs: impl IntoIterator<Item = J>,
    workers: usize,
    work: impl Fn(J, &mut dyn FnMut(T)) -> Result<()> + Sync,
    tell: &mut dyn FnMut(T),
) -> Result<()> {
    let queue: Mutex<VecDeque<J>> = Mutex::new(jobs.into_iter().collect());
    let lock = || queue.lock().unwrap_or_else(PoisonError::into_inner);
    let take = || lock().pop_front();
    let (told, results) = channel::<T>();
    scope(|scope| {
        let threads: Vec<_> = (0..workers.max(1))
            .map(|_| {
                let told = told.clone();
                scope.spawn(|| {
                    // Moved: the channel ends with the last worker.
                    let told = told;
                    while let Some(job) = take() {
                        // The receiver outlives the threads.
                        let mut tell = |result| {
                            let _ = told.send(result);
                        };
                        work(job, &mut tell).inspect_err(|_| lock().clear())?;
                    }
                    Ok(())
                })
            })
            .collect();
        drop(told);
        results.iter().for_each(tell);
        let end = |thread: std::thread::ScopedJoinHandle<'_, Result<()>>| {
            thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        // All threads have ended before the first error is returned.
        let ends: Vec<_> = threads.into_iter().map(end).collect();
        ends.into_iter().collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;

    use anyhow::bail;

    #[test]
    fn every_job_is_done_once_and_heard() {
        let mut heard = Vec::new();
        run(
            0..20,
            3,
            |job, tell| {
                tell(job);
                Ok(())
            },
            &mut |job| heard.push(job),
        )
        .unwrap();
        heard.sort_unstable();
        assert!(heard.into_iter().eq(0..20));
    }

    #[test]
    fn jobs_run_side_by_side() {
        // Neither gets past it without the other.
        let both = Barrier::new(2);
        let work = |(), _: &mut dyn FnMut(())| {
            both.wait();
            Ok(())
        };
        run([(), ()], 2, work, &mut |_| {}).unwrap();
    }

    #[test]
    fn an_error_ends_it() {
        let mut heard = Vec::new();
        let error = run(
            ["good", "bad", "never"],
            1,
            |job, tell| {
                if job == "bad" {
                    bail!("it was {job}");
                }
                tell(job);
                Ok(())
            },
            &mut |job| heard.push(job),
        )
        .unwrap_err();
        assert_eq!(error.to_string(), "it was bad");
        assert_eq!(heard, ["good"]);
    }
}
