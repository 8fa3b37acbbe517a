// SPDX-License-Identifier: GPL-2.0

//! Tests which requests the fault injector refuses, and that it reports the reason.

use anyhow::{ensure, Result};
use nix::errno::Errno;

use crate::suite::Context;
use crate::sys::bpf::has_btf;
use crate::sys::injector::{Injector, DEVICE};
use crate::sys::{cmd, module};

pub(super) fn commands_are_refused(_: &mut Context<'_>) -> Result<()> {
    let modules = super::modules()?;
    let injector = Injector::open()?;
    let refused =
        |command: &str, errno, words: &str| injector.expect_refusal(command, errno, words);
    refused("arm discover", Errno::ENOENT, "place first")?;
    refused("status", Errno::ENOENT, "place first")?;
    refused("explode", Errno::EINVAL, "'explode' is no command")?;
    refused(
        "place functions=slab",
        Errno::EINVAL,
        "at least one of module=",
    )?;
    refused(
        "place module=a functions=vfs_read",
        Errno::EINVAL,
        "no rule for it",
    )?;
    refused(
        "place module=a functions=bio_submit",
        Errno::EINVAL,
        "needs device=",
    )?;
    refused(
        "place module=a functions=none",
        Errno::EINVAL,
        "no function is selected",
    )?;
    refused(
        "place module=a return=no_such_function:0",
        Errno::ENOENT,
        "no_such_function: there is no",
    )?;
    refused(
        "place module=a return=strncpy_from_user:-14",
        Errno::EINVAL,
        "strncpy_from_user: this cannot be traced",
    )?;
    refused(
        "place module=a return=mempool_alloc_noprof:null",
        Errno::EPERM,
        "mempool_alloc_noprof must not fail",
    )?;
    refused(
        "place module=a return=skb_clone:null",
        Errno::EINVAL,
        "skb_clone: it is selected already",
    )?;
    refused("place tree=4194303", Errno::ESRCH, "no such process")?;
    refused(&"x".repeat(1024), Errno::E2BIG, "1023 bytes")?;
    if has_btf("vmlinux") {
        refused(
            "place module=a return=vfs_read:null",
            Errno::EINVAL,
            "the value does not suit",
        )?;
        refused(
            "place module=a return=kfree:0",
            Errno::EINVAL,
            "it returns nothing",
        )?;
    }
    // None of the refused requests has placed a hook.
    refused("status", Errno::ENOENT, "place first")?;
    injector.set("place module=a")?;
    injector.set("arm discover")?;
    refused("forget", Errno::EBUSY, "disarm first")?;
    refused("arm one 12", Errno::EINVAL, "16 hexadecimal digits")?;
    ensure!(
        injector.status()?.text("mode")? == "discover",
        "a refused command has changed the mode"
    );
    let functions = injector.set("functions")?;
    ensure!(
        functions.contains("slab __kmalloc_noprof null\n"),
        "{functions}"
    );
    drop(injector);
    modules.unload()
}

pub(super) fn a_redirected_function_is_named(_: &mut Context<'_>) -> Result<()> {
    let modules = super::modules()?;
    let redirect = module::load("hook_redirect", "")?;
    let injector = Injector::open()?;
    if has_btf("vmlinux") {
        injector.expect_refusal(
            "place module=a return=cmdline_proc_show:-5",
            Errno::EBUSY,
            "redirects cmdline_proc_show",
        )?;
        injector.expect_refusal("status", Errno::ENOENT, "place first")?;
    }
    redirect.unload()?;
    injector.set("place module=a")?;
    drop(injector);
    modules.unload()
}

pub(super) fn one_campaign_at_a_time(_: &mut Context<'_>) -> Result<()> {
    let modules = super::modules()?;
    let (first, second) = (Injector::open()?, Injector::open()?);
    first.set("place module=a")?;
    second.expect_refusal("place module=a", Errno::EBUSY, "another process")?;
    first.set("place module=b")?;
    drop(first);
    second.set("place module=a")?;
    drop(second);
    modules.unload()
}

pub(super) fn only_root_may_open(_: &mut Context<'_>) -> Result<()> {
    let modules = super::modules()?;
    cmd::run(&format!("dd if={DEVICE} of=/dev/null count=1"))?;
    let reader =
        format!("setpriv --reuid=65534 --clear-groups dd if={DEVICE} of=/dev/null count=1");
    let output = cmd::output(&reader)?;
    ensure!(
        output.code != 0 && output.err.contains("Permission denied"),
        "the user nobody opens {DEVICE}: {output:?}"
    );
    modules.unload()
}
