// SPDX-License-Identifier: GPL-2.0

//! Tests the choice of the accelerator, with a fake QEMU and a regular file as the device.

mod fake;

use std::fs;
use std::path::Path;

use fake::Fake;
use tackle_qemu::accel::Accel;
use tackle_qemu::probe::{Choice, Probe};

fn choose(fake: &Fake, device: &Path) -> Choice {
    let probe = Probe {
        qemu: fake.program(),
        device,
        cache: fake.dir(),
        scratch: &fake.dir().join("probe"),
        interrupt: &fake.interrupt,
    };
    probe.choose(&fake.kernel()).unwrap()
}

/// Returns a fake QEMU that runs the script `body` and counts its boots in the file `boots`.
fn counted(body: &str) -> Fake {
    Fake::new(&format!(
        "[ \"$accel $words\" = 'kvm probe' ] || exit 9; echo >>\"$dir/boots\"; {body}"
    ))
}

fn boots(fake: &Fake) -> usize {
    fs::read_to_string(fake.dir().join("boots"))
        .unwrap_or_default()
        .lines()
        .count()
}

fn device(fake: &Fake) -> std::path::PathBuf {
    let path = fake.dir().join("kvm");
    fs::write(&path, "").unwrap();
    path
}

#[test]
fn a_guest_that_answers() {
    let fake = counted("print 'tackle: probe ok'");
    let choice = choose(&fake, &device(&fake));
    assert_eq!((choice.accel, choice.line()), (Accel::Kvm, None));
    assert_eq!(choose(&fake, &device(&fake)), choice);
    assert_eq!(boots(&fake), 1, "the answer was not remembered");
}

#[test]
fn a_guest_that_dies() {
    let fake = counted("log 'Linux version'; echo 'qemu: error: kvm run failed' >&2; exit 1");
    let choice = choose(&fake, &device(&fake));
    assert_eq!(choice.accel, Accel::Tcg);
    let line = choice.line().unwrap();
    assert!(
        line.starts_with("kvm: ") && line.ends_with("; using tcg"),
        "{line}"
    );
    assert!(line.contains("kvm run failed"), "{line}");
    assert_eq!(choose(&fake, &device(&fake)), choice);
    assert_eq!(boots(&fake), 1, "the answer was not remembered");
}

#[test]
fn a_guest_that_ends_without_the_answer() {
    let fake = counted("log 'Linux version'");
    assert_eq!(choose(&fake, &device(&fake)).accel, Accel::Tcg);
}

#[test]
fn another_version_of_qemu_is_asked_again() {
    let fake = counted("print 'tackle: probe ok'");
    choose(&fake, &device(&fake));
    let script = fs::read_to_string(fake.program()).unwrap();
    fake::install(fake.dir(), &script.replace("version 0", "version 1"));
    choose(&fake, &device(&fake));
    assert_eq!(boots(&fake), 2);
}

#[test]
fn no_device_no_boot() {
    let fake = counted("print 'tackle: probe ok'");
    let choice = choose(&fake, Path::new("/nonexistent/kvm"));
    assert_eq!(choice.accel, Accel::Tcg);
    assert!(
        choice.line().unwrap().contains("/nonexistent/kvm"),
        "{choice:?}"
    );
    assert_eq!(boots(&fake), 0);
}
