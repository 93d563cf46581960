/* SHOW MEM and SHOW DNS_HOSTS: what the process holds and what it knows of names. For report.c. */
#ifndef WEIR_GATEWAY_REPORT_PROCESS_H
#define WEIR_GATEWAY_REPORT_PROCESS_H

#include "engine/report.h"
#include "gateway/internal.h"

#define WEIR_MEM_COLUMNS 5
extern const weir_report_column weir_mem_columns[WEIR_MEM_COLUMNS];
void weir_report_fill_mem(weir_report *report, weir_gateway_worker *worker);

#define WEIR_DNS_HOSTS_COLUMNS 5
extern const weir_report_column weir_dns_hosts_columns[WEIR_DNS_HOSTS_COLUMNS];
void weir_report_fill_dns_hosts(weir_report *report, weir_gateway_worker *worker);

#endif
