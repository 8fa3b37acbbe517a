/* SPDX-License-Identifier: GPL-2.0 */
/* Requests are tables of attributes; what is put in a message goes to shim_say(). */
#ifndef SHIM_NET_NETLINK_H
#define SHIM_NET_NETLINK_H

#include <linux/types.h>

#define NLA_U8 1
#define NLA_U32 3
#define TCA_OPTIONS 2
#define NL_SET_ERR_MSG(extack, text)

struct netlink_ext_ack;

struct nlattr {
	bool there;
	u32 value;
};

struct nla_policy {
	u8 type;
};

/* The program's answer to an event. */
void shim_say(u32 word);

static inline int nla_parse_nested_deprecated(struct nlattr **tb, int maxtype,
					      struct nlattr *opt,
					      const struct nla_policy *policy,
					      struct netlink_ext_ack *extack)
{
	for (int i = 0; i <= maxtype; i++)
		tb[i] = opt[i].there ? &opt[i] : NULL;
	return 0;
}

static inline u32 nla_get_u32(const struct nlattr *nla)
{
	return nla->value;
}

static inline u8 nla_get_u8(const struct nlattr *nla)
{
	return nla->value;
}

static inline struct nlattr *nla_nest_start_noflag(void *msg, int type)
{
	static struct nlattr nest;

	return &nest;
}

static inline int nla_nest_end(void *msg, struct nlattr *nest)
{
	return 0;
}

static inline int nla_put_u32(void *msg, int type, u32 value)
{
	shim_say(type);
	shim_say(value);
	return 0;
}

static inline int nla_put_u8(void *msg, int type, u8 value)
{
	return nla_put_u32(msg, type, value);
}

#endif
