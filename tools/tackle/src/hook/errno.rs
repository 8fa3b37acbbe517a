// SPDX-License-Identifier: GPL-2.0

//! Converts error numbers of the kernel to their names.

use nix::errno::Errno;
use tackle_core::hooks::MAX_ERRNO;

/// The error numbers from 512, which user space does not see (`include/linux/errno.h`).
const INTERNAL: [&str; 20] = [
    "ERESTARTSYS",
    "ERESTARTNOINTR",
    "ERESTARTNOHAND",
    "ENOIOCTLCMD",
    "ERESTART_RESTARTBLOCK",
    "EPROBE_DEFER",
    "EOPENSTALE",
    "ENOPARAM",
    "",
    "EBADHANDLE",
    "ENOTSYNC",
    "EBADCOOKIE",
    "ENOTSUPP",
    "ETOOSMALL",
    "ESERVERFAULT",
    "EBADTYPE",
    "EJUKEBOX",
    "EIOCBQUEUED",
    "ERECALLCONFLICT",
    "ENOGRACE",
];

/// Returns a function's return value with the name of its error: `-2` becomes `-2 (-ENOENT)`, and
/// for a function that returns a pointer `ERR_PTR(-ENOENT)`. Any other value stays as it is.
pub fn described(value: &str, returns: &str) -> String {
    let may_fail = returns.starts_with('s') || returns == "ptr";
    let number = value.parse().ok().filter(|_| may_fail);
    match number.and_then(name) {
        Some(name) if returns == "ptr" => format!("ERR_PTR(-{name})"),
        Some(name) => format!("{value} (-{name})"),
        None => value.to_owned(),
    }
}

/// Returns the name of a negative error number.
fn name(value: i64) -> Option<String> {
    let errno = i32::try_from(value.checked_neg()?).ok()?;
    if !(1..=MAX_ERRNO).contains(&errno.into()) {
        return None;
    }
    let internal = usize::try_from(errno - 512).ok();
    let internal = internal.and_then(|index| INTERNAL.get(index));
    match (internal, Errno::from_raw(errno)) {
        (Some(&""), _) | (None, Errno::UnknownErrno) => None,
        (Some(name), _) => Some((*name).to_owned()),
        (None, errno) => Some(format!("{errno:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_names() {
        for (value, returns, expected) in [
            ("-2", "s32", "-2 (-ENOENT)"),
            ("-11", "s64", "-11 (-EAGAIN)"),
            ("-512", "s64", "-512 (-ERESTARTSYS)"),
            ("-517", "s32", "-517 (-EPROBE_DEFER)"),
            ("-520", "s32", "-520"),
            ("-12", "ptr", "ERR_PTR(-ENOMEM)"),
            ("NULL", "ptr", "NULL"),
            ("pointer", "ptr", "pointer"),
            ("2", "s32", "2"),
            ("0", "s32", "0"),
            ("-4096", "s64", "-4096"),
            ("-9223372036854775808", "s64", "-9223372036854775808"),
            ("2", "u32", "2"),
            ("true", "bool", "true"),
            ("other", "s32", "other"),
        ] {
            assert_eq!(described(value, returns), expected, "{value} as {returns}");
        }
    }
}
