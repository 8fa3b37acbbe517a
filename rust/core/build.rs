// SPDX-License-Identifier: GPL-2.0

//! Compiles the C original of CoDel, for the test that compares with it, and for the
//! benchmark.
//!
//! That needs a kernel source, which `TACKLE_KERNEL_SRC` names. Without it
//! `tests/codel_diff.rs` is reported as ignored, and `benches/rounds.rs` has no C.

use std::{env, path::Path, process::Command};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=tests/codel_harness.c");
    println!("cargo:rerun-if-changed=tests/shim");
    println!("cargo:rerun-if-changed=benches/codel.c");
    println!("cargo:rerun-if-env-changed=TACKLE_KERNEL_SRC");
    println!("cargo:rerun-if-env-changed=CC");
    println!("cargo:rustc-check-cfg=cfg(have_kernel_src)");

    let Some(source) = env::var_os("TACKLE_KERNEL_SRC") else {
        return;
    };
    let include = Path::new(&source).join("include");
    for header in ["net/codel.h", "net/codel_impl.h"] {
        println!("cargo:rerun-if-changed={}", include.join(header).display());
    }
    compile(&include, "tests/codel_harness.c", "CODEL_HARNESS");
    compile(&include, "benches/codel.c", "CODEL_ROUNDS");
    println!("cargo:rustc-cfg=have_kernel_src");
}

/// Makes a program of the kernel's headers and one source; the code finds it by the
/// environment variable `name`.
fn compile(include: &Path, source: &str, name: &str) {
    let out = env::var_os("OUT_DIR").expect("cargo sets OUT_DIR");
    let program = Path::new(&out).join(name.to_lowercase());
    let cc = env::var_os("CC").unwrap_or_else(|| "cc".into());
    let status = Command::new(&cc)
        // As the kernel is built: signed numbers wrap, pointers may alias.
        .args(["-std=gnu11", "-O2", "-fwrapv", "-fno-strict-aliasing"])
        .args(["-Wall", "-Werror", "-Wno-unused-function"])
        // The shims come before, and the C library's headers before the kernel's.
        .args(["-Itests/shim", "-idirafter"])
        .arg(include)
        .arg("-o")
        .arg(&program)
        .arg(source)
        .status();
    match status {
        Ok(status) if status.success() => {}
        Ok(status) => panic!("TACKLE_KERNEL_SRC: {cc:?} on {source}: {status}"),
        Err(error) => panic!("TACKLE_KERNEL_SRC: cannot run {cc:?}: {error}"),
    }
    println!("cargo:rustc-env={name}={}", program.display());
}
