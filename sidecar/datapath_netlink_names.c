/* SPDX-License-Identifier: BSD-3-Clause */
/* What an element in a message is called, for errors; see
 * datapath_netlink_private.h. */
#include "datapath_netlink_private.h"

#include <stdio.h>
#include <string.h>

static const struct nlattr *
attribute(const struct nlattr *nest, uint16_t type)
{
	const struct nlattr *a;

	mnl_attr_for_each_nested(a, nest)
		if (mnl_attr_get_type(a) == type)
			return a;
	return NULL;
}

#define KEY_TEXT (2 * C25_ADDR_TEXT_MAX + 3)

static void
key_text(const struct nlattr *element, const struct c25_map_info *info,
	char out[static KEY_TEXT])
{
	const struct nlattr *key = attribute(element, NFTA_SET_ELEM_KEY);
	size_t len = info->family == C25_V6 ? 16 : 4;
	char one[C25_ADDR_TEXT_MAX], two[C25_ADDR_TEXT_MAX] = "";
	const uint8_t *bytes;
	struct c25_addr a;

	*out = '\0';
	if (key != NULL)
		key = attribute(key, NFTA_DATA_VALUE);
	if (key == NULL || mnl_attr_get_payload_len(key) !=
	    (info->peers ? 2 * len : len))
		return;
	bytes = mnl_attr_get_payload(key);
	a = len == 4 ? c25_addr_v4(bytes) : c25_addr_v6(bytes);
	(void)c25_addr_format(&a, one);
	if (info->peers) {
		a = len == 4 ? c25_addr_v4(bytes + len) :
			c25_addr_v6(bytes + len);
		(void)c25_addr_format(&a, two);
	}
	(void)snprintf(out, KEY_TEXT, "%s%s%s", one, *two ? " . " : "", two);
}

/* The map, and the elements that are put into it or taken out. */
static const struct c25_map_info *
elements_of(const struct nlmsghdr *m, const struct nlattr **list)
{
	const struct c25_map_info *info = NULL;
	const struct nlattr *a;

	*list = NULL;
	if ((m->nlmsg_type & 0xff) != NFT_MSG_NEWSETELEM &&
	    (m->nlmsg_type & 0xff) != NFT_MSG_DELSETELEM)
		return NULL;
	mnl_attr_for_each(a, m, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(a) == NFTA_SET_ELEM_LIST_ELEMENTS)
			*list = a;
		if (mnl_attr_get_type(a) != NFTA_SET_ELEM_LIST_SET)
			continue;
		for (int i = 0; i < C25_MAPS; i++)
			if (strcmp(mnl_attr_get_str(a),
			    c25_map_infos[i].name) == 0)
				info = &c25_map_infos[i];
	}
	return *list == NULL ? NULL : info;
}

void
c25_nft_element_text(const struct nlmsghdr *m, uint32_t offset,
	char out[static C25_NFT_ELEMENT_TEXT])
{
	const struct nlattr *a, *list, *first = NULL, *found = NULL;
	const struct c25_map_info *info = m == NULL ? NULL :
		elements_of(m, &list);
	char key[KEY_TEXT];
	size_t count = 0;

	*out = '\0';
	if (info == NULL)
		return;
	mnl_attr_for_each_nested(a, list) {
		size_t at = (size_t)((const char *)a - (const char *)m);

		if (count++ == 0)
			first = a;
		if (offset >= at && offset - at < mnl_attr_get_len(a))
			found = a;
	}
	if (first == NULL)
		return;
	key_text(found != NULL ? found : first, info, key);
	if (found != NULL || count == 1)
		(void)snprintf(out, C25_NFT_ELEMENT_TEXT, "element %s", key);
	else
		(void)snprintf(out, C25_NFT_ELEMENT_TEXT, "one of %zu "
			"elements, the first is %s", count, key);
}
