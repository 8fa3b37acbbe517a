// SPDX-License-Identifier: GPL-2.0

//! Enables and reverses a live patch while every processor reads the file that it changes. The
//! patch's module is loaded and unloaded in each round. In turn, there is:
//!
//! - one *whole* round: the patch is enabled, then disabled;
//! - one whole round of another patch, with a shadow variable ([`meters`](super::meters));
//! - some *reversed* rounds: the patch is disabled, and enabled again during the transition, since
//!   the kernel allows this only then. To make the transition last, tasks stay in the kernel, where
//!   the livepatch core cannot switch them while they run. A reversal after the end of the
//!   transition is not counted as a round.
//!
//! Each read must return the whole original text or the whole patched text: while the patch is
//! enabled, the patched text; after it was disabled, the original text.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use anyhow::{bail, ensure, Result};

use super::crowd::{Caller, Kind};
use super::meters::Meters;
use super::{await_more, LIMIT};
use crate::sys::livepatch::{cmdline, folder, Patch, TEXT};
use crate::sys::{numa, wait_often};

/// How often a patch is disabled and enabled again before it is unloaded.
const TURNS: u32 = 8;

/// The number of bytes of a read from `/dev/urandom`. On the slowest kernel, it keeps its task in
/// the kernel for longer than the livepatch core needs to check all tasks.
const LONG_READ: usize = 256 << 10;

/// What readers must read.
#[derive(Clone, Copy)]
enum Stage {
    Either,
    Original,
    Patched,
}

/// See the module's documentation.
pub struct Patches {
    original: String,
    /// The stage in the lowest two bits, and the number of earlier stages above them.
    stage: AtomicU64,
    reads: AtomicU64,
    loads: AtomicU32,
    reversals: AtomicU32,
    whole: AtomicU32,
    meters: Meters,
}

impl Patches {
    /// Reads the file without the patch, and loads the module that the other patch changes.
    ///
    /// # Errors
    ///
    /// The patch is already loaded, or the module cannot be loaded.
    pub fn new() -> Result<Self> {
        ensure!(!folder().exists(), "the patch is there already");
        Ok(Self {
            original: cmdline()?,
            stage: AtomicU64::new(Stage::Either as u64),
            reads: AtomicU64::new(0),
            loads: AtomicU32::new(0),
            reversals: AtomicU32::new(0),
            whole: AtomicU32::new(0),
            meters: Meters::new()?,
        })
    }

    fn set(&self, stage: Stage) {
        let count = (self.stage.load(SeqCst) >> 2) + 1;
        self.stage.store((count << 2) | stage as u64, SeqCst);
    }

    /// Enters a stage, and waits until readers have read in it.
    fn pass(&self, stage: Stage) -> Result<()> {
        self.set(stage);
        let outcome = await_more("readers", 4, || Ok(self.reads.load(SeqCst)));
        self.set(Stage::Either);
        outcome
    }

    /// Checks the text of a read that began and ended in these stages.
    fn check(&self, text: &[u8], before: u64, after: u64) -> Result<()> {
        let line = text.strip_suffix(b"\n").unwrap_or(text);
        let (original, patched) = (line == self.original.as_bytes(), line == TEXT.as_bytes());
        let stage = if before == after { before & 3 } else { 0 };
        let good = match stage {
            stage if stage == Stage::Original as u64 => original,
            stage if stage == Stage::Patched as u64 => patched,
            _ => original || patched,
        };
        if !good {
            let expected = ["one of the two texts", "the original", "the patched text"];
            bail!(
                "expected {} of /proc/cmdline, got '{}'",
                expected[stage as usize],
                String::from_utf8_lossy(line)
            );
        }
        Ok(())
    }
}

/// Reverses the patch's transition. Returns how often a transition was in progress.
fn reverse(patch: &Patch) -> Result<u32> {
    for turn in 0..TURNS {
        if !patch.reverse()? {
            return Ok(turn);
        }
    }
    Ok(TURNS)
}

/// Calls `work` while a task on each processor is in the kernel most of the time.
fn held_up<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    let (end, inside) = (AtomicBool::new(false), AtomicUsize::new(0));
    let hold = |cpu: usize| -> Result<()> {
        numa::pin_to(cpu)?;
        let mut source = File::open("/dev/urandom")?;
        let mut bytes = vec![0; LONG_READ];
        inside.fetch_add(1, SeqCst);
        while !end.load(SeqCst) {
            let length = source.read(&mut bytes)?;
            ensure!(length > 0, "/dev/urandom has come to its end");
            // Without this, synchronize_rcu_tasks() would wait until the end, and so would a task
            // that removes a hook.
            thread::yield_now();
        }
        Ok(())
    };
    let cpus = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let hold = &hold;
        let holders: Vec<_> = (0..cpus)
            .map(|cpu| scope.spawn(move || hold(cpu)))
            .collect();
        let ready = || Ok((inside.load(SeqCst) == cpus).then_some(()));
        let outcome = wait_often(
            "tasks in the kernel",
            Duration::from_millis(1),
            LIMIT,
            ready,
        )
        .and_then(|()| work());
        end.store(true, SeqCst);
        for holder in holders {
            holder.join().expect("reading does not panic")?;
        }
        outcome
    })
}

impl Kind for Patches {
    fn name(&self) -> &'static str {
        "patches enabled and reversed"
    }

    fn caller(&self) -> Result<Caller<'_>> {
        let file = File::open("/proc/cmdline")?;
        let mut meters = self.meters.caller()?;
        Ok(Box::new(move || {
            meters()?;
            let mut text = [0; 4096];
            let before = self.stage.load(SeqCst);
            let length = file.read_at(&mut text, 0)?;
            let after = self.stage.load(SeqCst);
            self.check(&text[..length], before, after)?;
            self.reads.fetch_add(1, SeqCst);
            Ok(3)
        }))
    }

    fn round(&self, number: u32) -> Result<u32> {
        if number % 3 == 1 {
            self.meters.round()?;
            self.loads.fetch_add(1, SeqCst);
            return Ok(1);
        }
        let patch = Patch::begin()?;
        let made = if number % 3 == 0 {
            patch.settle()?;
            self.pass(Stage::Patched)?;
            self.whole.fetch_add(1, SeqCst);
            1
        } else {
            held_up(|| reverse(&patch))?
        };
        patch.unload()?;
        self.pass(Stage::Original)?;
        self.loads.fetch_add(1, SeqCst);
        if number % 3 == 2 {
            self.reversals.fetch_add(made, SeqCst);
        }
        Ok(made)
    }

    fn figures(&self) -> String {
        format!(
            "{} loads, {} times in force, {} reversals of a transition in progress, \
             {} looks at a shadow variable",
            self.loads.load(SeqCst),
            self.whole.load(SeqCst),
            self.reversals.load(SeqCst),
            self.meters.fields()
        )
    }

    fn finish(self) -> Result<()> {
        let text = cmdline()?;
        ensure!(
            text == self.original,
            "expected '{}' at the end, got '{text}'",
            self.original
        );
        self.meters.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patches() -> Patches {
        Patches {
            original: "a b".into(),
            stage: AtomicU64::new(0),
            reads: AtomicU64::new(0),
            loads: AtomicU32::new(0),
            reversals: AtomicU32::new(0),
            whole: AtomicU32::new(0),
            meters: Meters::default(),
        }
    }

    #[test]
    fn a_mix_is_never_good() {
        let patches = patches();
        let stage = patches.stage.load(SeqCst);
        assert!(patches.check(b"a b\n", stage, stage).is_ok());
        assert!(patches.check(TEXT.as_bytes(), stage, stage).is_ok());
        for mix in [
            &b"a"[..],
            b"",
            b"a b\na b\n",
            b"a bthis has been live patched",
        ] {
            assert!(patches.check(mix, stage, stage).is_err(), "{mix:?}");
        }
    }

    #[test]
    fn a_read_within_one_stage_is_held_to_it() {
        let patches = patches();
        let before = patches.stage.load(SeqCst);
        patches.set(Stage::Patched);
        let stage = patches.stage.load(SeqCst);
        assert!(patches.check(b"a b\n", before, stage).is_ok());
        assert!(patches.check(b"a b\n", stage, stage).is_err());
        patches.set(Stage::Original);
        let stage = patches.stage.load(SeqCst);
        assert!(patches.check(b"a b\n", stage, stage).is_ok());
        assert!(patches.check(TEXT.as_bytes(), stage, stage).is_err());
    }
}
