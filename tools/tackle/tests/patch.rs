// SPDX-License-Identifier: GPL-2.0

//! Tests `tackle patch` with a fake kernel, whose files are in a folder.

mod fake;
mod kernel;

use std::fs;

use fake::{error, get, put, Fake};
use kernel::{Kernel, NAME};
use tackle_cli::patch::modules::Source;
use tackle_cli::patch::{list, Patches};

fn named(name: &str) -> Source {
    Source::from(name)
}

#[test]
fn a_kernel_without_live_patching_is_told() {
    let fake = Fake::new();
    let error = error(Patches::new(&fake.roots));
    assert_eq!(error, "this kernel has no live patching (CONFIG_LIVEPATCH)");
}

#[test]
fn patches_are_listed_in_their_order() {
    let kernel = Kernel::new()
        .patch("b", true, false)
        .patch("a", false, true);
    put(kernel.file("a", "stack_order"), "2\n");
    put(kernel.file("a", "mod/patched"), "0\n");
    fs::create_dir_all(kernel.file("a", "mod/go,1")).unwrap();
    fs::remove_file(kernel.file("b", "replace")).unwrap();
    let all = Patches::new(&kernel.fake.roots).unwrap().all().unwrap();
    let text = list(&all);
    let words: Vec<Vec<_>> = text
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        words[1],
        ["b", "yes", "no", "-", "vmlinux", "do_it", "do_more,2"]
    );
    assert_eq!(
        words[2],
        ["a", "no", "yes", "no", "mod", "(not", "patched)", "go"]
    );
    // This row is the second object of the same patch.
    assert_eq!(words[3], ["vmlinux", "do_it", "do_more,2"]);
    let json = serde_json::to_value(&all[1]).unwrap();
    assert_eq!(json["objects"][0]["functions"][0]["name"], "go");
    assert_eq!(json["objects"][1]["functions"][1]["position"], 2);
    assert_eq!(
        (json["enabled"].as_bool(), json["transition"].as_bool()),
        (Some(false), Some(true))
    );
}

#[test]
fn a_patch_is_loaded_and_waited_for() {
    let kernel = Kernel::new()
        .task(1, "init", 1, 0, "")
        .task(7, "cat", 0, 0, "");
    let done = kernel.change(None, |change| change.enable(&named(NAME), true));
    assert_eq!(done.unwrap(), "livepatch_a is in force");
    let log = kernel.log();
    assert_eq!(
        log,
        ["load livepatch_a", "in: 1 of 2 left", "in: 1 of 2 left"]
    );
}

#[test]
fn without_waiting_it_has_only_begun() {
    let kernel = Kernel::new();
    let done = kernel.change(None, |change| change.enable(&named(NAME), false));
    assert_eq!(done.unwrap(), "livepatch_a is coming into force");
    let done = kernel.change(None, |change| change.disable(NAME, false));
    assert_eq!(done.unwrap(), "livepatch_a is going out of force");
    assert_eq!(kernel.log(), ["load livepatch_a"]);
    assert_eq!(get(kernel.file(NAME, "enabled")), "0");
}

#[test]
fn what_is_in_force_stays_as_it_is() {
    let kernel = Kernel::new().patch(NAME, true, false);
    let done = kernel.change(None, |change| change.enable(&named("livepatch-a"), true));
    assert_eq!(done.unwrap(), "livepatch_a was in force already");
    assert!(kernel.log().is_empty());
}

#[test]
fn a_patch_on_its_way_out_turns_round() {
    let kernel = Kernel::new().patch(NAME, false, true);
    let done = kernel.change(None, |change| change.enable(&named(NAME), true));
    assert_eq!(done.unwrap(), "livepatch_a is in force");
    assert_eq!(get(kernel.file(NAME, "enabled")), "1");
    assert!(kernel.log().iter().all(|line| line.starts_with("in: ")));
}

#[test]
fn a_disabled_patch_is_loaded_anew() {
    let kernel = Kernel::new();
    kernel.module(NAME, "OK");
    let done = kernel.change(None, |change| change.enable(&named(NAME), true));
    assert_eq!(done.unwrap(), "livepatch_a is in force");
    assert_eq!(
        kernel.log()[..2],
        ["unload livepatch_a", "load livepatch_a"]
    );
}

#[test]
fn a_disabled_patch_that_is_not_installed_stays_loaded() {
    let kernel = Kernel::new();
    kernel.module("livepatch_b", "OK");
    let outcome = kernel.change(None, |change| change.enable(&named("livepatch_b"), true));
    assert_eq!(
        error(outcome),
        "livepatch_b is disabled and cannot be loaded again: livepatch_b is not installed"
    );
    assert!(kernel.log().is_empty());
    assert!(kernel.is_loaded("livepatch_b"));
}

#[test]
fn a_patch_may_be_disabled_twice() {
    let kernel = Kernel::new();
    kernel.module(NAME, "OK");
    for waits in [true, false] {
        let done = kernel.change(None, |change| change.disable(NAME, waits));
        let expected = "livepatch_a was out of force already; its module is loaded";
        assert_eq!(done.unwrap(), expected);
    }
    kernel.module("loop", "O");
    let outcome = kernel.change(None, |change| change.disable("loop", true));
    assert_eq!(
        error(outcome),
        "the module loop is loaded, and is no live patch"
    );
    assert!(kernel.is_loaded(NAME) && kernel.log().is_empty());
}

#[test]
fn a_module_that_is_no_patch_is_refused() {
    let kernel = Kernel::new();
    let outcome = kernel.change(None, |change| change.enable(&named("loop"), true));
    assert_eq!(error(outcome), "the module loop is no live patch");
    assert!(!kernel.is_loaded("loop"));
    kernel.module("loop", "");
    let outcome = kernel.change(None, |change| change.enable(&named("loop"), true));
    assert_eq!(
        error(outcome),
        "the module loop is loaded, and is no live patch"
    );
    assert!(kernel.is_loaded("loop"));
}

#[test]
fn one_patch_at_a_time() {
    let kernel = Kernel::new().patch("b", true, true);
    let outcome = kernel.change(None, |change| change.enable(&named(NAME), true));
    let text = error(outcome);
    assert!(text.starts_with("b is in transition"), "{text}");
    assert!(
        text.contains("EBUSY") && text.ends_with("tackle patch wait b"),
        "{text}"
    );
    assert!(kernel.log().is_empty());
}

#[test]
fn an_unknown_patch_is_answered_with_the_known_ones() {
    let kernel = Kernel::new();
    let outcome = kernel.change(None, |change| change.disable("x", true));
    assert_eq!(error(outcome), "no live patch x: there is none");
    let kernel = kernel.patch("b", true, false);
    let outcome = kernel.change(None, |change| change.wait_for(Some("x")));
    assert_eq!(error(outcome), "no live patch x; there are: b");
    let outcome = kernel.change(None, |change| change.enable(&named("x"), true));
    assert_eq!(error(outcome), "x not found");
}

#[test]
fn a_patch_goes_out_of_force() {
    let kernel = Kernel::new()
        .patch(NAME, true, false)
        .task(7, "cat", 1, 0, "");
    fs::write(kernel.file(NAME, "transition"), "1\n").unwrap();
    let done = kernel.change(None, |change| change.disable(NAME, true));
    assert_eq!(done.unwrap(), "livepatch_a is out of force");
    assert_eq!(kernel.log(), ["out: 1 of 1 left", "out: 1 of 1 left"]);
    assert!(kernel.is_loaded(NAME));
}

#[test]
fn what_comes_too_late_is_turned_round_and_unloaded() {
    let stack = "[<0>] msleep+0x2d/0x40\n[<0>] do_it+0x10/0x30\n[<0>] vfs_read+0xb5/0x380\n";
    let kernel = Kernel::new().looks(2, 0).task(7, "cat", 0, 0, stack).task(
        8,
        "kworker/0:1",
        0,
        0x0020_0000,
        "",
    );
    let outcome = kernel.change(Some(0.2), |change| change.enable(&named(NAME), true));
    assert_eq!(
        error(outcome),
        "livepatch_a was not in force after 0.2 s, held up by cat (7) in do_it, from vfs_read; \
         [kworker/0:1] (8), in state S; livepatch_a is out again"
    );
    assert_eq!(kernel.log().last().unwrap(), "unload livepatch_a");
    assert!(!kernel.is_loaded(NAME));
}

#[test]
fn what_does_not_go_stays() {
    let stack = "[<0>] livepatch_do_it+0x10/0x30 [livepatch_a]\n";
    let kernel = Kernel::new()
        .looks(0, 1)
        .patch(NAME, true, false)
        .task(7, "cat", 1, 0, stack);
    fs::write(kernel.file(NAME, "transition"), "1\n").unwrap();
    let outcome = kernel.change(Some(0.0), |change| change.disable(NAME, true));
    assert_eq!(
        error(outcome),
        "livepatch_a was not out of force after 0 s, held up by cat (7) in livepatch_do_it; \
         it is in force as before"
    );
    assert_eq!(get(kernel.file(NAME, "enabled")), "1");
    assert!(kernel.is_loaded(NAME));
}

#[test]
fn what_goes_at_the_last_moment_is_out() {
    let kernel = Kernel::new().looks(1, 0).patch(NAME, true, true);
    let done = kernel.change(Some(0.0), |change| change.disable(NAME, true));
    assert_eq!(done.unwrap(), "livepatch_a is out of force");
}

#[test]
fn waiting_changes_nothing() {
    let kernel = Kernel::new().looks(0, 0).patch(NAME, true, true);
    let outcome = kernel.change(Some(0.0), |change| change.wait_for(None));
    assert_eq!(
        error(outcome),
        "livepatch_a is still in transition after 0 s, held up by a processor's idle task"
    );
    assert_eq!(get(kernel.file(NAME, "enabled")), "1");
    fs::write(kernel.file(NAME, "transition"), "0\n").unwrap();
    let done = kernel.change(None, |change| change.wait_for(Some(NAME)));
    assert_eq!(done.unwrap(), "livepatch_a is in force");
    let done = kernel.change(None, |change| change.wait_for(None));
    assert_eq!(done.unwrap(), "no live patch is in transition");
}

#[test]
fn tasks_that_stay_are_named_once() {
    let kernel = Kernel::new()
        .looks(2, 30)
        .task(7, "cat", 0, 0, "[<0>] do_it+0x10/0x30\n");
    let done = kernel.change(None, |change| change.enable(&named(NAME), true));
    assert_eq!(done.unwrap(), "livepatch_a is in force");
    let log = kernel.log();
    let named: Vec<_> = log.iter().filter(|line| line.contains("held up")).collect();
    assert_eq!(named, ["livepatch_a: held up by cat (7) in do_it"]);
}
