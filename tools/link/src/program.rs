// SPDX-License-Identifier: GPL-2.0

//! Finds programs of other packages, such as `ip` and `modprobe`.

use std::env;
use std::ffi::{OsStr, OsString};
use std::process::Command;

/// The folders of an administrator's programs. They may be missing from `PATH`: in Debian they are
/// not in the `PATH` of users other than root, nor after `su` without `-`.
const SBIN: &str = "/usr/local/sbin:/usr/sbin:/sbin";

/// The folders in which the C library searches if `PATH` is not set.
const DEFAULT: &str = "/bin:/usr/bin";

/// Returns a command that runs `name`, from `PATH` or else from an administrator's folders. The
/// program finds other programs in the same way.
pub fn program(name: &str) -> Command {
    let mut command = Command::new(name);
    command.env("PATH", search(env::var_os("PATH").as_deref()));
    command
}

fn search(path: Option<&OsStr>) -> OsString {
    let mut folders = path.unwrap_or(OsStr::new(DEFAULT)).to_owned();
    folders.push(":");
    folders.push(SBIN);
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_administrators_folders_come_last() {
        let expected = "/opt/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin";
        assert_eq!(search(Some(OsStr::new("/opt/bin:/bin"))), expected);
        assert!(search(None).to_string_lossy().starts_with("/bin:/usr/bin:"));
    }

    #[test]
    fn a_program_is_found_and_finds_others() {
        let output = program("sh").args(["-c", "echo $PATH"]).output().unwrap();
        let path = String::from_utf8(output.stdout).unwrap();
        assert!(path.trim_end().ends_with(SBIN), "{path}");
    }
}
