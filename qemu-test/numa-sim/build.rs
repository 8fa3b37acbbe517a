// SPDX-License-Identifier: GPL-2.0

//! Compiles the NUMA balancing of the kernel's scheduler, for the test that compares the model with
//! this code.
//!
//! This needs a kernel source, whose path is in `TACKLE_KERNEL_SRC`. Without it,
//! `tests/kernel_diff.rs` is reported as ignored.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// The part of `kernel/sched/fair.c` that is compiled: from `FIRST` up to `LAST`, without `LAST`.
const FIRST: &str = "#ifdef CONFIG_NUMA\n#define NUMA_IMBALANCE_MIN";
const LAST: &str = "static inline int get_numa_group(";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=tests/fair_harness.c");
    println!("cargo:rerun-if-env-changed=TACKLE_KERNEL_SRC");
    println!("cargo:rerun-if-env-changed=CC");
    println!("cargo:rustc-check-cfg=cfg(have_kernel_src)");
    println!("cargo:rustc-check-cfg=cfg(distance_of_previous)");
    let Some(source) = env::var_os("TACKLE_KERNEL_SRC").map(PathBuf::from) else {
        return;
    };
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    cut(
        &source.join("kernel/sched/fair.c"),
        &out.join("fair_numa.c"),
    );
    let program = out.join("fair_harness");
    let cc = env::var_os("CC").unwrap_or_else(|| "cc".into());
    let status = Command::new(&cc)
        // These are options of the kernel's build: signed numbers wrap, and pointers may alias.
        .args(["-std=gnu11", "-O2", "-fwrapv", "-fno-strict-aliasing", "-w"])
        .arg("-I")
        .arg(&out)
        .arg("-o")
        .arg(&program)
        .arg("tests/fair_harness.c")
        .status();
    match status {
        Ok(status) if status.success() => {}
        Ok(status) => panic!("TACKLE_KERNEL_SRC: {cc:?} on tests/fair_harness.c: {status}"),
        Err(error) => panic!("TACKLE_KERNEL_SRC: cannot run {cc:?}: {error}"),
    }
    println!("cargo:rustc-cfg=have_kernel_src");
    println!("cargo:rustc-env=FAIR_HARNESS={}", program.display());
}

/// Cuts out the part. It begins within `#ifdef CONFIG_NUMA` and ends within `#ifdef
/// CONFIG_NUMA_BALANCING`.
fn cut(source: &Path, target: &Path) {
    println!("cargo:rerun-if-changed={}", source.display());
    let text = fs::read_to_string(source).expect("the kernel source has kernel/sched/fair.c");
    let start = text
        .find(FIRST)
        .expect("fair.c has adjust_numa_imbalance()");
    let length = text[start..]
        .find(LAST)
        .expect("fair.c has get_numa_group()");
    let part = format!("{}#endif\n", &text[start..start + length]);
    // Linux 7.3 uses the distance of the previous candidate here. Our patches to the kernel use the
    // distance of the candidate itself.
    if part
        .matches("node_distance(env.src_nid, env.dst_nid)")
        .count()
        > 1
    {
        println!("cargo:rustc-cfg=distance_of_previous");
    }
    fs::write(target, part).expect("OUT_DIR can be written to");
}
