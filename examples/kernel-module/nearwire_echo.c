// SPDX-License-Identifier: GPL-2.0
/*
 * nearwire_echo: the kernel's end of a netlink protocol of one's own.
 *
 * netlink_kernel_create() claims a protocol number and names the function that
 * gets what users send. That function runs in the sender's own system call, on
 * the sender's processor, so the answer is queued before the sender's send()
 * returns, and two senders run it at the same time: what they share is atomic.
 *
 * nearwire_echo.h says what each message means.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/ctype.h>
#include <linux/module.h>
#include <linux/net.h>
#include <net/net_namespace.h>
#include <net/netlink.h>
#include <net/sock.h>

#include "nearwire_echo.h"

static struct sock *kernel_socket;

static atomic64_t received;
static atomic64_t refused;
static atomic64_t published;
static atomic64_t undelivered;

/* A dump compares this between its parts; 0 would mean "no part before". */
static atomic_t generation = ATOMIC_INIT(1);

/*
 * Attributes come from anyone who can open a socket, so nothing is read that
 * the policy has not checked. Those that only the kernel sends have no entry:
 * strict validation refuses them, like the unknown ones.
 */
static const struct nla_policy place_policy[NEARWIRE_ECHO_PLACE_MAX + 1] = {
	[NEARWIRE_ECHO_PLACE_ROW]	= { .type = NLA_U32 },
	[NEARWIRE_ECHO_PLACE_COLUMN]	= { .type = NLA_U32 },
	[NEARWIRE_ECHO_PLACE_LABEL]	= { .type = NLA_NUL_STRING, .len = 31 },
};

static const struct nla_policy policy[NEARWIRE_ECHO_A_MAX + 1] = {
	[NEARWIRE_ECHO_A_TEXT]		= { .type = NLA_NUL_STRING, .len = 63 },
	[NEARWIRE_ECHO_A_NUMBER]	= { .type = NLA_U32 },
	[NEARWIRE_ECHO_A_SHOUT]		= { .type = NLA_FLAG },
	[NEARWIRE_ECHO_A_PLACE]		= NLA_POLICY_NESTED(place_policy),
	[NEARWIRE_ECHO_A_ERROR]		= NLA_POLICY_RANGE(NLA_U32, 1, 133),
	[NEARWIRE_ECHO_A_GROUP]		= NLA_POLICY_RANGE(NLA_U32, 1,
							   NEARWIRE_ECHO_GROUPS),
};

static int parse(const struct nlmsghdr *request, struct nlattr **attributes,
		 struct netlink_ext_ack *extack)
{
	return nlmsg_parse(request, 0, attributes, NEARWIRE_ECHO_A_MAX, policy,
			   extack);
}

/* An empty message to the sender of `request`, with room for a payload. */
static struct sk_buff *new_answer(struct sk_buff *request, u16 flags,
				  size_t room, struct nlmsghdr **header)
{
	const struct nlmsghdr *asked = nlmsg_hdr(request);
	struct sk_buff *answer = nlmsg_new(room, GFP_KERNEL);

	if (!answer)
		return NULL;

	/* Never asked->nlmsg_pid, in which a sender may write what he likes. */
	*header = nlmsg_put(answer, NETLINK_CB(request).portid,
			    asked->nlmsg_seq, asked->nlmsg_type, 0, flags);
	return answer;
}

/* Takes the answer. Does not wait: a full receiver is -EAGAIN, and overruns. */
static int send_answer(struct sk_buff *request, struct sk_buff *answer,
		       struct nlmsghdr *header)
{
	nlmsg_end(answer, header);
	return nlmsg_unicast(kernel_socket, answer, NETLINK_CB(request).portid);
}

/* The limit keeps one user from asking for more than kmalloc() can give. */
static int check_payload(const struct nlmsghdr *request,
			 struct netlink_ext_ack *extack)
{
	if (nlmsg_len(request) > NEARWIRE_ECHO_MAX_PAYLOAD) {
		NL_SET_ERR_MSG(extack, "payload is longer than 65536 bytes");
		return -EMSGSIZE;
	}
	return 0;
}

static int check_number(u32 number, const struct nlattr *attribute,
			struct netlink_ext_ack *extack)
{
	if (number > NEARWIRE_ECHO_MAX_MESSAGES) {
		NL_SET_ERR_MSG_ATTR(extack, attribute,
				    "at most 100000 messages at a time");
		return -ERANGE;
	}
	return 0;
}

static int echo(struct sk_buff *request, const char *prefix,
		struct netlink_ext_ack *extack)
{
	const struct nlmsghdr *asked = nlmsg_hdr(request);
	size_t prefix_length = strlen(prefix);
	size_t length = nlmsg_len(asked);
	struct nlmsghdr *header;
	struct sk_buff *answer;
	int error;

	error = check_payload(asked, extack);
	if (error)
		return error;

	answer = new_answer(request, 0, prefix_length + length, &header);
	if (!answer)
		return -ENOMEM;

	skb_put_data(answer, prefix, prefix_length);
	skb_put_data(answer, nlmsg_data(asked), length);
	return send_answer(request, answer, header);
}

static int put_place(struct sk_buff *answer, const struct nlattr *place,
		     struct netlink_ext_ack *extack)
{
	struct nlattr *inner[NEARWIRE_ECHO_PLACE_MAX + 1];
	const struct nlattr *row, *column, *label;
	struct nlattr *nest;
	int error;

	error = nla_parse_nested(inner, NEARWIRE_ECHO_PLACE_MAX, place,
				 place_policy, extack);
	if (error)
		return error;

	row = inner[NEARWIRE_ECHO_PLACE_ROW];
	column = inner[NEARWIRE_ECHO_PLACE_COLUMN];
	label = inner[NEARWIRE_ECHO_PLACE_LABEL];
	if (!row || !column) {
		NL_SET_ERR_MSG(extack, "a place needs a row and a column");
		NL_SET_ERR_ATTR_MISS(extack, place,
				     row ? NEARWIRE_ECHO_PLACE_COLUMN :
					   NEARWIRE_ECHO_PLACE_ROW);
		return -EINVAL;
	}

	nest = nla_nest_start(answer, NEARWIRE_ECHO_A_PLACE);
	if (!nest ||
	    nla_put_u32(answer, NEARWIRE_ECHO_PLACE_ROW, nla_get_u32(column)) ||
	    nla_put_u32(answer, NEARWIRE_ECHO_PLACE_COLUMN, nla_get_u32(row)) ||
	    (label && nla_put_string(answer, NEARWIRE_ECHO_PLACE_LABEL,
				     nla_data(label))))
		return -EMSGSIZE;
	nla_nest_end(answer, nest);
	return 0;
}

static int echo_attributes(struct sk_buff *request,
			   struct netlink_ext_ack *extack)
{
	struct nlattr *got[NEARWIRE_ECHO_A_MAX + 1];
	struct nlmsghdr *header;
	struct sk_buff *answer;
	char text[64], *letter;
	int error;

	error = parse(nlmsg_hdr(request), got, extack);
	if (error)
		return error;

	if (!got[NEARWIRE_ECHO_A_TEXT]) {
		NL_SET_ERR_MSG(extack, "a text is required");
		NL_SET_ERR_ATTR_MISS(extack, NULL, NEARWIRE_ECHO_A_TEXT);
		return -EINVAL;
	}
	nla_strscpy(text, got[NEARWIRE_ECHO_A_TEXT], sizeof(text));
	if (got[NEARWIRE_ECHO_A_SHOUT])
		for (letter = text; *letter; letter++)
			if (isascii(*letter))	/* the rest may be UTF-8 */
				*letter = toupper(*letter);

	/* The policy bounds every attribute, so that all of them fit in this. */
	answer = new_answer(request, 0, NLMSG_DEFAULT_SIZE, &header);
	if (!answer)
		return -ENOMEM;

	error = -EMSGSIZE;
	if (nla_put_string(answer, NEARWIRE_ECHO_A_TEXT, text))
		goto drop;
	if (got[NEARWIRE_ECHO_A_NUMBER] &&
	    nla_put_u32(answer, NEARWIRE_ECHO_A_NUMBER,
			nla_get_u32(got[NEARWIRE_ECHO_A_NUMBER]) + 1))
		goto drop;
	if (got[NEARWIRE_ECHO_A_SHOUT] &&
	    nla_put_flag(answer, NEARWIRE_ECHO_A_SHOUT))
		goto drop;
	if (got[NEARWIRE_ECHO_A_PLACE]) {
		error = put_place(answer, got[NEARWIRE_ECHO_A_PLACE], extack);
		if (error)
			goto drop;
	}
	return send_answer(request, answer, header);

drop:
	nlmsg_free(answer);
	return error;
}

/*
 * Takes the news. A member without room misses them and hears ENOBUFS itself;
 * whoever sends hears of it only if that member asked for that, by
 * NETLINK_BROADCAST_ERROR. The other members have them all the same.
 */
static int send_news(struct sk_buff *news, struct nlmsghdr *header, u32 group)
{
	int error;

	atomic_inc(&generation);

	/* News come from the kernel, whoever asked for them. */
	header->nlmsg_pid = 0;
	nlmsg_end(news, header);

	/* A port id in place of the 0 would leave that member out. */
	error = nlmsg_multicast(kernel_socket, news, 0, group, GFP_KERNEL);
	if (!error)
		atomic64_inc(&published);
	else if (error == -ENOBUFS)
		atomic64_inc(&undelivered);
	return error;
}

static int publish(struct sk_buff *request, struct netlink_ext_ack *extack)
{
	const struct nlmsghdr *asked = nlmsg_hdr(request);
	struct nlmsghdr *header;
	struct sk_buff *news;
	int error;

	error = check_payload(asked, extack);
	if (error)
		return error;

	news = new_answer(request, 0, nlmsg_len(asked), &header);
	if (!news)
		return -ENOMEM;
	skb_put_data(news, nlmsg_data(asked), nlmsg_len(asked));
	return send_news(news, header, NEARWIRE_ECHO_GROUP_NEWS);
}

static int announce(struct sk_buff *request, struct netlink_ext_ack *extack)
{
	struct nlattr *got[NEARWIRE_ECHO_A_MAX + 1];
	const struct nlattr *group, *text;
	struct nlmsghdr *header;
	struct sk_buff *news;
	int error;

	error = parse(nlmsg_hdr(request), got, extack);
	if (error)
		return error;

	group = got[NEARWIRE_ECHO_A_GROUP];
	text = got[NEARWIRE_ECHO_A_TEXT];
	if (!group || !text) {
		NL_SET_ERR_MSG(extack, "a group and a text are required");
		NL_SET_ERR_ATTR_MISS(extack, NULL,
				     group ? NEARWIRE_ECHO_A_TEXT :
					     NEARWIRE_ECHO_A_GROUP);
		return -EINVAL;
	}

	news = new_answer(request, 0, NLMSG_DEFAULT_SIZE, &header);
	if (!news)
		return -ENOMEM;
	if (nla_put_string(news, NEARWIRE_ECHO_A_TEXT, nla_data(text))) {
		nlmsg_free(news);
		return -EMSGSIZE;
	}
	return send_news(news, header, nla_get_u32(group));
}

static int counters(struct sk_buff *request)
{
	struct nlmsghdr *header;
	struct sk_buff *answer = new_answer(request, 0, NLMSG_DEFAULT_SIZE,
					    &header);

	if (!answer)
		return -ENOMEM;
	if (nla_put_u64_64bit(answer, NEARWIRE_ECHO_A_RECEIVED,
			      atomic64_read(&received), NEARWIRE_ECHO_A_PAD) ||
	    nla_put_u64_64bit(answer, NEARWIRE_ECHO_A_REFUSED,
			      atomic64_read(&refused), NEARWIRE_ECHO_A_PAD) ||
	    nla_put_u64_64bit(answer, NEARWIRE_ECHO_A_PUBLISHED,
			      atomic64_read(&published), NEARWIRE_ECHO_A_PAD) ||
	    nla_put_u64_64bit(answer, NEARWIRE_ECHO_A_UNDELIVERED,
			      atomic64_read(&undelivered),
			      NEARWIRE_ECHO_A_PAD)) {
		nlmsg_free(answer);
		return -EMSGSIZE;
	}
	return send_answer(request, answer, header);
}

static int refuse(struct netlink_ext_ack *extack)
{
	NL_SET_ERR_MSG(extack, "refused, as you asked");
	return -EOPNOTSUPP;
}

static int burst(struct sk_buff *request, struct netlink_ext_ack *extack)
{
	struct nlattr *got[NEARWIRE_ECHO_A_MAX + 1];
	struct nlmsghdr *header;
	struct sk_buff *answer;
	u32 number = 0, index;
	int error;

	error = parse(nlmsg_hdr(request), got, extack);
	if (error)
		return error;
	if (got[NEARWIRE_ECHO_A_NUMBER])
		number = nla_get_u32(got[NEARWIRE_ECHO_A_NUMBER]);
	error = check_number(number, got[NEARWIRE_ECHO_A_NUMBER], extack);
	if (error)
		return error;

	for (index = 0; index < number; index++) {
		answer = new_answer(request, NLM_F_MULTI,
				    nla_total_size(sizeof(u32)), &header);
		if (!answer)
			return -ENOMEM;
		if (nla_put_u32(answer, NEARWIRE_ECHO_A_NUMBER, index)) {
			nlmsg_free(answer);
			return -EMSGSIZE;
		}
		error = send_answer(request, answer, header);
		if (error < 0)
			return error;
	}

	answer = new_answer(request, NLM_F_MULTI, sizeof(int), &header);
	if (!answer)
		return -ENOMEM;
	header->nlmsg_type = NLMSG_DONE;
	skb_put_zero(answer, sizeof(int));
	return send_answer(request, answer, header);
}

/* What a dump remembers between two calls, in netlink_callback.ctx. */
struct list_state {
	u32 next;
	u32 number;
	u32 error;
};

static_assert(sizeof(struct list_state) <=
	      sizeof_field(struct netlink_callback, ctx));

/* Called before list() returns, so that its local state is still there. */
static int list_start(struct netlink_callback *cb)
{
	memcpy(cb->ctx, cb->data, sizeof(struct list_state));
	return 0;
}

/* Called whenever the reader has made room, until it adds nothing more. */
static int list_more(struct sk_buff *answer, struct netlink_callback *cb)
{
	struct list_state *state = (struct list_state *)cb->ctx;
	struct nlmsghdr *header;

	cb->seq = atomic_read(&generation);
	for (; state->next < state->number; state->next++) {
		header = nlmsg_put(answer, NETLINK_CB(cb->skb).portid,
				   cb->nlh->nlmsg_seq, cb->nlh->nlmsg_type, 0,
				   NLM_F_MULTI);
		if (!header)
			break;
		if (nla_put_u32(answer, NEARWIRE_ECHO_A_NUMBER, state->next)) {
			nlmsg_cancel(answer, header);
			break;
		}
		nl_dump_check_consistent(cb, header);
		nlmsg_end(answer, header);
	}

	/* With nothing added, this is what DONE carries. */
	return answer->len ? answer->len : -(int)state->error;
}

static int list(struct sk_buff *request, struct netlink_ext_ack *extack)
{
	const struct nlmsghdr *asked = nlmsg_hdr(request);
	struct nlattr *got[NEARWIRE_ECHO_A_MAX + 1];
	struct list_state state = {};
	struct netlink_dump_control control = {
		.start = list_start,
		.dump = list_more,
		.data = &state,
	};
	int error;

	if ((asked->nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP) {
		NL_SET_ERR_MSG(extack, "a list needs NLM_F_DUMP");
		return -EINVAL;
	}
	error = parse(asked, got, extack);
	if (error)
		return error;
	if (got[NEARWIRE_ECHO_A_NUMBER])
		state.number = nla_get_u32(got[NEARWIRE_ECHO_A_NUMBER]);
	if (got[NEARWIRE_ECHO_A_ERROR])
		state.error = nla_get_u32(got[NEARWIRE_ECHO_A_ERROR]);
	error = check_number(state.number, got[NEARWIRE_ECHO_A_NUMBER], extack);
	if (error)
		return error;

	/* -EINTR when it has begun: "no acknowledgement, DONE will follow". */
	return netlink_dump_start(kernel_socket, request, asked, &control);
}

static int answer_one(struct sk_buff *request, struct nlmsghdr *header,
		      struct netlink_ext_ack *extack)
{
	switch (header->nlmsg_type) {
	case NEARWIRE_ECHO_MSG_ECHO:
		return echo(request, "", extack);
	case NEARWIRE_ECHO_MSG_PREFIX:
		return echo(request, "echo:", extack);
	case NEARWIRE_ECHO_MSG_ATTRIBUTES:
		return echo_attributes(request, extack);
	case NEARWIRE_ECHO_MSG_PUBLISH:
		return publish(request, extack);
	case NEARWIRE_ECHO_MSG_COUNTERS:
		return counters(request);
	case NEARWIRE_ECHO_MSG_REFUSE:
		return refuse(extack);
	case NEARWIRE_ECHO_MSG_BURST:
		return burst(request, extack);
	case NEARWIRE_ECHO_MSG_LIST:
		return list(request, extack);
	case NEARWIRE_ECHO_MSG_ANNOUNCE:
		return announce(request, extack);
	}
	NL_SET_ERR_MSG(extack, "unknown message type");
	return -EINVAL;
}

/* Whatever this returns becomes the error of the acknowledgement. */
static int handle_one(struct sk_buff *request, struct nlmsghdr *header,
		      struct netlink_ext_ack *extack)
{
	int error;

	atomic64_inc(&received);
	error = answer_one(request, header, extack);
	if (error && error != -EINTR)
		atomic64_inc(&refused);
	return error;
}

/*
 * One send() of a user: any bytes. netlink_rcv_skb() walks the messages in it,
 * checks their lengths, skips those without NLM_F_REQUEST and acknowledges.
 */
static void handle(struct sk_buff *datagram)
{
	netlink_rcv_skb(datagram, handle_one);
}

static int __init nearwire_echo_init(void)
{
	struct netlink_kernel_cfg cfg = {
		.groups = NEARWIRE_ECHO_GROUPS,
		.flags = NL_CFG_F_NONROOT_RECV,	/* anyone may join */
		.input = handle,
	};

	/* In the first network namespace only: from another, ECONNREFUSED. */
	kernel_socket = netlink_kernel_create(&init_net, NETLINK_NEARWIRE_ECHO,
					      &cfg);
	if (!kernel_socket) {
		pr_err("protocol %d is taken\n", NETLINK_NEARWIRE_ECHO);
		return -EBUSY;
	}
	pr_info("answers on netlink protocol %d\n", NETLINK_NEARWIRE_ECHO);
	return 0;
}

/* Never runs while a user has a socket open: every socket holds the module. */
static void __exit nearwire_echo_exit(void)
{
	netlink_kernel_release(kernel_socket);
}

module_init(nearwire_echo_init);
module_exit(nearwire_echo_exit);

MODULE_DESCRIPTION("Echo, news and lists over a netlink protocol of its own");
MODULE_LICENSE("GPL");
/* Once installed (depmod), opening a socket of the protocol loads the module. */
MODULE_ALIAS_NET_PF_PROTO(PF_NETLINK, NETLINK_NEARWIRE_ECHO);
