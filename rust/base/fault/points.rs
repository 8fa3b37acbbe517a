// SPDX-License-Identifier: GPL-2.0

//! Implements the library's fault attribute `fail_setup` and all of its points. The points of
//! `tackle_ftrace.ko` are here, too, so that their counts remain when that module fails to load.

use kernel::prelude::*;

crate::fault_attr! {
    /// Makes calls fail by which the library and its modules allocate and register things.
    pub FailSetup = FAIL_SETUP, c"fail_setup";

    /// Memory for the ops of a kind of qdisc.
    QDISC_OPS_ALLOC = "qdisc_ops_alloc", ENOMEM;
    /// `register_qdisc()`, as if the kind were registered already.
    REGISTER_QDISC = "register_qdisc", EEXIST;
    /// The options that a qdisc is made with.
    QDISC_INIT_OPTIONS = "qdisc_init_options", EINVAL;
    /// The private data of a qdisc that is being made.
    QDISC_INIT_DATA = "qdisc_init_data", ENOMEM;
    /// The options that a qdisc is changed to.
    QDISC_CHANGE_OPTIONS = "qdisc_change_options", EINVAL;
    /// Memory for the flows of a qdisc.
    QDISC_FLOWS_ALLOC = "qdisc_flows_alloc", ENOMEM;
    /// Memory for the backlogs of the flows of a qdisc.
    QDISC_BACKLOGS_ALLOC = "qdisc_backlogs_alloc", ENOMEM;
    /// Memory for the histogram of a qdisc's sojourn times.
    QDISC_HISTOGRAM_ALLOC = "qdisc_histogram_alloc", ENOMEM;
    /// `tcf_block_get()`.
    TCF_BLOCK_GET = "tcf_block_get", ENOMEM;
    /// `register_kprobe()`, by which `tackle_ftrace.ko` finds functions of the kernel when it is
    /// loaded.
    REGISTER_KPROBE = "register_kprobe", ENOMEM;
    /// Memory for the look-up of a symbol.
    SYMBOL_LOOKUP = "symbol_lookup", ENOMEM;
    /// `alloc_percpu()`.
    ALLOC_PERCPU = "alloc_percpu", ENOMEM;
    /// Memory for the data that the hooks on a function share.
    FTRACE_SITE_ALLOC = "ftrace_site_alloc", ENOMEM;
    /// `ftrace_set_filter_ip()`.
    FTRACE_SET_FILTER = "ftrace_set_filter", ENOMEM;
    /// `register_ftrace_function()`.
    REGISTER_FTRACE_FUNCTION = "register_ftrace_function", ENOMEM;
    /// `register_ftrace_direct()`.
    REGISTER_FTRACE_DIRECT = "register_ftrace_direct", ENOMEM;
    /// `register_fprobe_ips()`.
    REGISTER_FPROBE = "register_fprobe", ENOMEM;
    /// `register_module_notifier()`.
    REGISTER_MODULE_NOTIFIER = "register_module_notifier", ENOMEM;
    /// `kthread_run()`.
    KTHREAD_RUN = "kthread_run", ENOMEM;
    /// `klp_enable_patch()`.
    KLP_ENABLE_PATCH = "klp_enable_patch", ENOMEM;
    /// The registration of a kind of shadow variables, as if its id were taken.
    KLP_SHADOW_REGISTER = "klp_shadow_register", EEXIST;
    /// Memory for a shadow variable.
    KLP_SHADOW_ALLOC = "klp_shadow_alloc", ENOMEM;
}
