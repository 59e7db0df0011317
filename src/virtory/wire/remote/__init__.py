"""libvirt's remote program (0x20008086, version 1), as of libvirt 9.0.0: one file per kind.

The rule kept here: names are libvirt's. `remote_domain_get_info_ret` is `DomainGetInfoRet`,
`REMOTE_PROC_DOMAIN_GET_INFO` is `DOMAIN_GET_INFO`; fields are in snake_case (`maxMem` is `max_mem`,
`callbackID` is `callback_id`), and Python's word `from` is `from_`. A trailing `flags` may be left
out.
"""
