// SPDX-License-Identifier: GPL-2.0

//! Leaves behind a file, a kind of qdisc and a kind of shadow variable. With `how=forget`, the
//! module never drops them. With `how=fail`, its init function fails after a write to the file.
//! With `how=late`, the module forgets them and its init function fails after a write to the file.
//! The write then makes a directory with another file, and forgets these, too.
//!
//! ```sh
//! insmod left_behind.ko how=fail &
//! exec 3>/sys/kernel/debug/tackle/left_behind/file
//! tc qdisc add dev eth0 root left_behind
//! echo >&3
//! ```

#![forbid(unsafe_code)]

#[path = "forget.rs"]
mod forget;

use forget::forget;
use kernel::{
    prelude::*,
    sync::atomic::{Atomic, Relaxed},
    time::{delay::fsleep, Delta},
};
use tackle::{
    debugfs::{self, File, Scope},
    livepatch::{AnyShadow, Shadow, Shadows},
    net::{
        netlink::{ExtAck, Nest, Nested},
        qdisc::{Dequeue, Enqueue, Outcome, Qdisc, Registration, Sch, Setup},
        DropReason, SkBuff, SkbList,
    },
};

tackle::module! {
    type: LeftBehind,
    name: "left_behind",
    authors: ["The Tackle developers"],
    description: "Leaves a file, a kind of qdisc and a kind of shadow variable behind",
    license: "GPL",
}

tackle::string_param! {
    /// What the module does with these objects.
    static HOW: StringParam<8> = "how", "forget, fail or late";
}

static WRITTEN: Atomic<bool> = Atomic::new(false);

static SHADOW: Shadow<u32> = Shadow::new(0x1eff);
static SHADOWS: &[&dyn AnyShadow] = &[&SHADOW];

/// The number of packets that wait for ever, even after a reset.
const KEPT: u32 = 3;

/// A qdisc that keeps some packets.
struct Keep;

#[vtable]
impl Qdisc for Keep {
    const ID: &'static CStr = c"left_behind";
    type State<'q> = SkbList<'q>;
    type Config = ();
    type Stats = [u8; 0];

    fn parse(_options: Nested<'_>, _ack: &mut ExtAck<'_>) -> Result {
        Err(EINVAL)
    }

    fn init<'q>((): (), setup: &mut Setup<'_>) -> impl PinInit<SkbList<'q>, Error> {
        setup.set_limit(10);
        Ok(SkbList::new())
    }

    fn enqueue<'q, 'call>(
        list: Pin<&mut SkbList<'q>>,
        sch: &mut Enqueue<'q, 'call>,
        packet: SkBuff<'call>,
    ) -> Outcome<'call> {
        if sch.qlen() < sch.limit() {
            sch.push_to(list.get_mut(), packet)
        } else {
            sch.reject(packet, DropReason::OverLimit)
        }
    }

    fn dequeue<'q, 'call>(
        list: Pin<&mut SkbList<'q>>,
        sch: &mut Dequeue<'q, 'call>,
    ) -> Option<SkBuff<'call>> {
        if list.count() <= KEPT {
            return None;
        }
        sch.pop_from(list.get_mut())
    }

    fn dump(_: &SkbList<'_>, _sch: &Sch, _options: &mut Nest<'_>) -> Result {
        Ok(())
    }

    fn stats(_: &SkbList<'_>, _sch: &Sch) -> [u8; 0] {
        []
    }
}

/// Handles a write to the file.
fn write() -> Result {
    WRITTEN.store(true, Relaxed);
    if HOW.value() == c"late" {
        // The module's init function fails during this sleep.
        fsleep(Delta::from_millis(500));
        let dir = debugfs::root()?.subdir(c"left_late")?;
        let file = dir.write_callback_file(c"file", Ok::<_, Error>(()), &|(), _| Ok(()));
        let file: Pin<KBox<File<()>>> = KBox::pin_init(file, GFP_KERNEL)?;
        forget(file);
        forget(KBox::new(dir.clone(), GFP_KERNEL)?.into());
    }
    Ok(())
}

struct LeftBehind;

impl kernel::Module for LeftBehind {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let root = debugfs::root()?;
        let kind: Pin<KBox<_>> = KBox::new(Registration::<Keep>::new()?, GFP_KERNEL)?.into();
        let shadows: Pin<KBox<_>> = KBox::new(Shadows::register(SHADOWS)?, GFP_KERNEL)?.into();
        drop(SHADOW.alloc(&WRITTEN, Ok::<_, Error>(1), GFP_KERNEL)?);
        let files = root.scope(Ok::<_, Error>(()), c"left_behind", |(), dir| {
            dir.write_only_callback_file(c"file", &(), &|(), _| write());
        });
        let files: Pin<KBox<Scope<()>>> = KBox::pin_init(files, GFP_KERNEL)?;
        if HOW.value() != c"fail" {
            forget(kind);
            forget(shadows);
            forget(files);
        }
        if HOW.value() == c"forget" {
            return Ok(Self);
        }
        while !WRITTEN.load(Relaxed) {
            if current!().signal_pending() {
                return Err(EINTR);
            }
            fsleep(Delta::from_millis(10));
        }
        Err(EIO)
    }
}
