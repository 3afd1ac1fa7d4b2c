/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * What the nearwire_echo kernel module and its users agree on: the protocol's
 * number, the message types and the attributes. The kernel and user space
 * include this same file; protocol.mjs says the same in JavaScript.
 *
 * Integers are in the machine's byte order, as everywhere in netlink. Requests
 * need NLM_F_REQUEST (without it the kernel skips them without a word), answers
 * carry the sequence number of their request, and with NLM_F_ACK an
 * acknowledgement follows the answer.
 */
#ifndef NEARWIRE_ECHO_H
#define NEARWIRE_ECHO_H

#include <linux/netlink.h>

/* 22 is the highest that linux/netlink.h gives out; MAX_LINKS, 32, is the end. */
#define NETLINK_NEARWIRE_ECHO 25

/* The longest payload that is echoed or published, in bytes; more is EMSGSIZE. */
#define NEARWIRE_ECHO_MAX_PAYLOAD 65536

/* The most messages that one BURST or LIST sends; more is ERANGE. */
#define NEARWIRE_ECHO_MAX_MESSAGES 100000

/*
 * Groups 1 to this one can be joined. Those above 32 have no bit in the mask of
 * an address: they are joined by NETLINK_ADD_MEMBERSHIP, and told apart by
 * NETLINK_PKTINFO.
 */
#define NEARWIRE_ECHO_GROUPS 40

enum nearwire_echo_group {
	/* What PUBLISH was given, to every member, its sender among them. */
	NEARWIRE_ECHO_GROUP_NEWS = 1,
};

/* Types below NLMSG_MIN_TYPE (16) are netlink's own: NOOP, ERROR, DONE. */
enum nearwire_echo_message {
	/* Any bytes; answered with the same bytes. */
	NEARWIRE_ECHO_MSG_ECHO = NLMSG_MIN_TYPE,

	/* Any bytes; answered with "echo:" and those bytes. */
	NEARWIRE_ECHO_MSG_PREFIX,

	/*
	 * TEXT (required), NUMBER, SHOUT, PLACE; answered with those that came,
	 * changed so that one sees that they were understood: TEXT in upper case
	 * if SHOUT came, NUMBER plus one, PLACE with ROW and COLUMN exchanged.
	 */
	NEARWIRE_ECHO_MSG_ATTRIBUTES,

	/*
	 * Any bytes, to the group; not answered. ESRCH if nobody has joined;
	 * ENOBUFS if a member with NETLINK_BROADCAST_ERROR had no room for it.
	 */
	NEARWIRE_ECHO_MSG_PUBLISH,

	/* No payload; answered with RECEIVED, REFUSED, PUBLISHED, UNDELIVERED. */
	NEARWIRE_ECHO_MSG_COUNTERS,

	/* Anything; always EOPNOTSUPP, with a text in the extended ACK. */
	NEARWIRE_ECHO_MSG_REFUSE,

	/*
	 * NUMBER: so many messages, each a datagram with its NUMBER, then DONE.
	 * All are sent at once: a receive buffer that is too small overruns,
	 * and then there is no DONE.
	 */
	NEARWIRE_ECHO_MSG_BURST,

	/*
	 * NUMBER, ERROR: the same as a dump, for which NLM_F_DUMP is needed: the
	 * kernel goes on as the reader reads, so that nothing overruns. DONE
	 * carries ERROR, negated. A PUBLISH meanwhile sets NLM_F_DUMP_INTR.
	 */
	NEARWIRE_ECHO_MSG_LIST,

	/* GROUP, TEXT (both required): like PUBLISH, but to any of the groups. */
	NEARWIRE_ECHO_MSG_ANNOUNCE,
};

enum nearwire_echo_attribute {
	NEARWIRE_ECHO_A_UNSPEC,
	NEARWIRE_ECHO_A_PAD,		/* aligns the 64-bit numbers */
	NEARWIRE_ECHO_A_TEXT,		/* string, at most 63 bytes and a NUL */
	NEARWIRE_ECHO_A_NUMBER,		/* u32 */
	NEARWIRE_ECHO_A_SHOUT,		/* flag */
	NEARWIRE_ECHO_A_PLACE,		/* nested: nearwire_echo_place */
	NEARWIRE_ECHO_A_ERROR,		/* u32, an errno of 1 to 133 */
	NEARWIRE_ECHO_A_RECEIVED,	/* u64, requests since the module came */
	NEARWIRE_ECHO_A_REFUSED,	/* u64, those of them that failed */
	NEARWIRE_ECHO_A_PUBLISHED,	/* u64, messages that went to a group */
	NEARWIRE_ECHO_A_UNDELIVERED,	/* u64, those that are known not to have
					 * reached every member: ENOBUFS */
	NEARWIRE_ECHO_A_GROUP,		/* u32, 1 to NEARWIRE_ECHO_GROUPS */

	__NEARWIRE_ECHO_A_END,
};

#define NEARWIRE_ECHO_A_MAX (__NEARWIRE_ECHO_A_END - 1)

enum nearwire_echo_place {
	NEARWIRE_ECHO_PLACE_UNSPEC,
	NEARWIRE_ECHO_PLACE_ROW,	/* u32, required */
	NEARWIRE_ECHO_PLACE_COLUMN,	/* u32, required */
	NEARWIRE_ECHO_PLACE_LABEL,	/* string, at most 31 bytes and a NUL */

	__NEARWIRE_ECHO_PLACE_END,
};

#define NEARWIRE_ECHO_PLACE_MAX (__NEARWIRE_ECHO_PLACE_END - 1)

#endif
