// SPDX-License-Identifier: GPL-2.0

//! Runs several jobs in parallel. This saves time, because guests often wait.

use std::collections::VecDeque;
use std::num::NonZero;
use std::sync::mpsc::channel;
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread::{available_parallelism, scope};

use anyhow::Result;

/// The maximum number of parallel jobs. A guest takes up to 2.7 GiB of memory, and more guests save
/// little time.
const MOST: usize = 3;

/// Returns how many jobs to run in parallel on this host: one more than it has processors. A guest
/// that waits (for a grace period, or for the next try of a live patch's transition) leaves its
/// processor to another guest.
pub fn workers() -> usize {
    (available_parallelism().map_or(1, NonZero::get) + 1).min(MOST)
}

/// Runs the jobs in this order, `workers` at a time. A job for which `is_ready` returns false
/// waits, and later jobs start before it. `is_ready` is called again whenever a job has ended.
/// `tell` is called in the calling thread with each message of a job.
///
/// # Errors
/// Returns the first error of a job. Jobs that have not started by then do not start.
pub fn run<J: Send, T: Send>(
    jobs: impl IntoIterator<Item = J>,
    workers: usize,
    is_ready: impl Fn(&J) -> bool + Sync,
    work: impl Fn(J, &mut dyn FnMut(T)) -> Result<()> + Sync,
    tell: &mut dyn FnMut(T),
) -> Result<()> {
    let queue = Mutex::new(Queue {
        jobs: jobs.into_iter().collect::<VecDeque<J>>(),
        busy: 0,
    });
    let changed = Condvar::new();
    let lock = || queue.lock().unwrap_or_else(PoisonError::into_inner);
    let take = || {
        let mut queue = lock();
        loop {
            let ready = queue.jobs.iter().position(&is_ready);
            // When no job runs, no waiting job can become ready. Start it anyway: it fails with a
            // message about what is missing.
            let ready = ready.or((queue.busy == 0).then_some(0));
            if queue.jobs.is_empty() || ready.is_some() {
                let job = queue.jobs.remove(ready.unwrap_or_default());
                queue.busy += usize::from(job.is_some());
                return job;
            }
            queue = changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    };
    let ended = || {
        lock().busy -= 1;
        changed.notify_all();
    };
    let (told, results) = channel::<T>();
    scope(|scope| {
        let threads: Vec<_> = (0..workers.max(1))
            .map(|_| {
                let told = told.clone();
                scope.spawn(|| {
                    // Move the sender, so that the channel closes when the last worker ends.
                    let told = told;
                    while let Some(job) = take() {
                        // The receiver outlives the threads.
                        let mut tell = |result| {
                            let _ = told.send(result);
                        };
                        // This also runs when the job panics, so that the other workers do not wait
                        // for it.
                        let _ended = AtEnd(&ended);
                        work(job, &mut tell).inspect_err(|_| lock().jobs.clear())?;
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

/// The jobs that have not started, and the number of running jobs.
struct Queue<J> {
    jobs: VecDeque<J>,
    busy: usize,
}

/// Calls a function when it is dropped.
struct AtEnd<'a>(&'a dyn Fn());

impl Drop for AtEnd<'_> {
    fn drop(&mut self) {
        self.0();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::Barrier;

    use anyhow::bail;

    #[test]
    fn every_job_is_done_once_and_heard() {
        let mut heard = Vec::new();
        run(
            0..20,
            3,
            |_| true,
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
        // Both jobs must be here at the same time to pass.
        let both = Barrier::new(2);
        let work = |(), _: &mut dyn FnMut(())| {
            both.wait();
            Ok(())
        };
        run([(), ()], 2, |()| true, work, &mut |()| {}).unwrap();
    }

    #[test]
    fn an_error_ends_it() {
        let mut heard = Vec::new();
        let error = run(
            ["good", "bad", "never"],
            1,
            |_| true,
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

    #[test]
    fn a_job_waits_for_what_it_needs() {
        for workers in [1, 3] {
            let made = AtomicUsize::new(0);
            let mut heard = Vec::new();
            let is_ready = |job: &&str| *job != "user" || made.load(Ordering::SeqCst) == 1;
            let work = |job, tell: &mut dyn FnMut(_)| {
                if job == "maker" {
                    std::thread::sleep(std::time::Duration::from_millis(50));
                    made.store(1, Ordering::SeqCst);
                }
                tell(job);
                Ok(())
            };
            let jobs = ["user", "maker", "other"];
            run(jobs, workers, is_ready, work, &mut |job| heard.push(job)).unwrap();
            let place = |name| heard.iter().position(|job| *job == name).unwrap();
            assert!(place("maker") < place("user"), "{heard:?}");
        }
        // Nothing makes this job ready.
        let mut heard = 0;
        let work = |job, tell: &mut dyn FnMut(_)| {
            tell(job);
            Ok(())
        };
        run(["user"], 2, |_| false, work, &mut |_| heard += 1).unwrap();
        assert_eq!(heard, 1);
    }
}
