// SPDX-License-Identifier: GPL-2.0

#include <linux/netlink.h>

/* Copies the text: it can be freed before the acknowledgment is sent. */
void rust_helper_nl_set_err_msg(struct netlink_ext_ack *extack, const char *msg)
{
	NL_SET_ERR_MSG_FMT(extack, "%s", msg);
}
