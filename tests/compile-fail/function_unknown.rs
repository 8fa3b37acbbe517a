// SPDX-License-Identifier: GPL-2.0

//! A function that no header declares.

#![forbid(unsafe_code)]

tackle::function! {
    /// It is static in its C file.
    pub Show: fn cmdline_proc_show(*mut kernel::bindings::seq_file, usize) -> i32; //~ ERROR cannot find value `cmdline_proc_show`
}
