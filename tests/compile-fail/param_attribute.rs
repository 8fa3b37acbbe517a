// SPDX-License-Identifier: GPL-2.0

//! A parameter that is put into a section of the kernel's.

#![forbid(unsafe_code)]

tackle::string_param! {
    #[link_section = "__param"] //~ ERROR no rules expected
    static NAME: StringParam<16> = "name", "A name";
}
