// SPDX-License-Identifier: GPL-2.0

//! Implements tests that run for both `rcodel` and `rfq_codel`.

mod counts;
mod details;
mod devices;
mod options;
mod packets;
mod parents;
mod queue;

pub use counts::{
    counts_each_packet_once, counts_what_a_change_and_a_reset_drop, frees_what_a_change_drops,
};
pub use details::{
    a_bad_histogram_changes_nothing, counts_how_long_packets_wait, tells_of_the_control_law,
    tells_why_packets_are_dropped_or_marked,
};
pub use devices::{goes_down_and_up_with_its_device, goes_with_its_name_space};
pub use options::{refuses_times_that_are_too_long, shown_options_can_be_set_again};
pub use packets::carries_packets_of_all_kinds;
pub use parents::{is_the_default_below_mq, works_below_others};
pub use queue::{drained, through_slow_line, Queue, PACKETS};
