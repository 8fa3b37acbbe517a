// SPDX-License-Identifier: GPL-2.0

//! Compiles the C originals of CoDel and FQ-CoDel, for the tests that compare with them,
//! and for the benchmark.
//!
//! That needs a kernel source, which `TACKLE_KERNEL_SRC` names. Without it
//! `tests/codel_diff.rs` and `tests/fq_codel_diff.rs` are reported as ignored, and
//! `benches/rounds.rs` has no C.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// What is compiled, the environment variable by which the code finds the program, and
/// the files of the kernel source that it is made from.
const HARNESSES: [(&str, &str, &[&str]); 3] = [
    (
        "tests/codel_harness.c",
        "CODEL_HARNESS",
        &["include/net/codel.h", "include/net/codel_impl.h"],
    ),
    (
        "benches/codel.c",
        "CODEL_ROUNDS",
        &["include/net/codel.h", "include/net/codel_impl.h"],
    ),
    (
        "tests/fq_codel_harness.c",
        "FQ_CODEL_HARNESS",
        &[
            "include/net/codel.h",
            "include/net/codel_impl.h",
            "include/net/codel_qdisc.h",
            "include/uapi/linux/pkt_sched.h",
            "net/sched/sch_fq_codel.c",
        ],
    ),
];

/// Headers that the kernel's files include, but of which they need nothing that is not in
/// tests/shim.
const EMPTY: [&str; 6] = [
    "in.h",
    "init.h",
    "jiffies.h",
    "kernel.h",
    "string.h",
    "vmalloc.h",
];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=tests/shim");
    println!("cargo:rerun-if-env-changed=TACKLE_KERNEL_SRC");
    println!("cargo:rerun-if-env-changed=CC");
    println!("cargo:rustc-check-cfg=cfg(have_kernel_src)");

    let Some(source) = env::var_os("TACKLE_KERNEL_SRC").map(PathBuf::from) else {
        return;
    };
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let empty = out.join("empty/linux");
    // One of an earlier build may hide a header of the C library.
    let _ = fs::remove_dir_all(&empty);
    fs::create_dir_all(&empty).expect("OUT_DIR can be written to");
    for header in EMPTY {
        fs::write(empty.join(header), "").expect("OUT_DIR can be written to");
    }
    for (main, name, files) in HARNESSES {
        for file in files {
            println!("cargo:rerun-if-changed={}", source.join(file).display());
        }
        compile(main, name, &source, &out);
    }
    println!("cargo:rustc-cfg=have_kernel_src");
}

fn compile(main: &str, name: &str, source: &Path, out: &Path) {
    println!("cargo:rerun-if-changed={main}");
    let program = out.join(name.to_lowercase());
    let cc = env::var_os("CC").unwrap_or_else(|| "cc".into());
    let status = Command::new(&cc)
        // As the kernel is built: signed numbers wrap, pointers may alias.
        .args(["-std=gnu11", "-O2", "-fwrapv", "-fno-strict-aliasing"])
        .args(["-Wall", "-Werror", "-Wno-unused-function"])
        // The shims come before, and the C library's headers before the kernel's.
        .arg("-Itests/shim")
        .arg("-I")
        .arg(out.join("empty"))
        .arg("-idirafter")
        .arg(source.join("include"))
        .arg("-idirafter")
        .arg(source)
        .arg("-o")
        .arg(&program)
        .arg(main)
        .status();
    match status {
        Ok(status) if status.success() => {}
        Ok(status) => panic!("TACKLE_KERNEL_SRC: {cc:?} on {main}: {status}"),
        Err(error) => panic!("TACKLE_KERNEL_SRC: cannot run {cc:?}: {error}"),
    }
    println!("cargo:rustc-env={name}={}", program.display());
}
