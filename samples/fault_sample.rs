// SPDX-License-Identifier: GPL-2.0

//! A sample module with two fault points: places that can be made to fail.
//!
//! ```sh
//! insmod fault_sample.ko
//! cd /sys/kernel/debug/tackle
//! echo add > fault_sample/run              # succeeds
//! echo 1 > fail_sample/times; echo 100 > fail_sample/probability
//! echo add > fault_sample/run              # Cannot allocate memory
//! cat fail_sample/points
//! ```

#![forbid(unsafe_code)]

use kernel::{new_mutex, prelude::*, sync::Mutex};
use tackle::{
    debugfs::{self, File},
    fault::Registration,
};

tackle::module! {
    type: FaultSample,
    name: "fault_sample",
    authors: ["The Tackle developers"],
    description: "Sample: fault points of a module",
    license: "GPL",
}

tackle::fault_attr! {
    /// The attribute that makes this module fail.
    pub FailSample = FAIL_SAMPLE, c"fail_sample";

    /// The allocation of an entry fails.
    ENTRY_ALLOC = "entry_alloc", ENOMEM;
    /// Adding an entry fails, as if it existed already.
    ENTRY_ADD = "entry_add", EEXIST;
}

/// A list, to which each write to the file `run` adds an entry.
#[pin_data]
struct List {
    #[pin]
    entries: Mutex<KVec<KBox<usize>>>,
}

impl List {
    fn add(&self) -> Result {
        let mut entries = self.entries.lock();
        tackle::fault_point!(ENTRY_ALLOC);
        let entry = KBox::new(entries.len(), GFP_KERNEL)?;
        // If this fails, the entry is freed.
        tackle::fault_point!(ENTRY_ADD);
        entries.push(entry, GFP_KERNEL)?;
        Ok(())
    }
}

struct FaultSample {
    // Dropped in this order.
    _file: Pin<KBox<File<List>>>,
    _faults: Registration<FailSample>,
}

impl kernel::Module for FaultSample {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let faults = Registration::new()?;
        let list = pin_init!(List {
            entries <- new_mutex!(KVec::new()),
        });
        let dir = debugfs::root()?.subdir(c"fault_sample")?;
        let file = dir.write_callback_file(c"run", list, &|list, _| list.add());
        Ok(Self {
            _file: KBox::pin_init(file, GFP_KERNEL)?,
            _faults: faults,
        })
    }
}
