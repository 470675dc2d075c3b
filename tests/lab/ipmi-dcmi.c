/* The part of DCMI that the story ipmi needs, for OpenIPMI's simulator: Get Power Reading (DCMI 1.5, 6.6.1), from a file of watts. */
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <OpenIPMI/msg.h>
#include <OpenIPMI/lanserv.h>
#include <OpenIPMI/mcserv.h>

static char file[256];

static unsigned int watts(void)
{
	unsigned int now = 0;
	FILE *stream = fopen(file, "r");

	if (stream) {
		if (fscanf(stream, "%u", &now) != 1)
			now = 0;
		fclose(stream);
	}
	return now;
}

static void answer(lmc_data_t *mc, msg_t *request, unsigned char *reply, unsigned int *length, void *unused)
{
	unsigned int now = watts(), field;

	reply[0] = 0xC1;
	*length = 1;
	if (request->cmd != 0x02)
		return;
	memset(reply, 0, 19);
	reply[1] = 0xDC;
	for (field = 0; field < 4; field++) {
		reply[2 + 2 * field] = now & 0xFF;
		reply[3 + 2 * field] = now >> 8;
	}
	reply[14] = 0xE8;
	reply[15] = 0x03;
	reply[18] = 0x40;
	*length = 19;
}

int ipmi_sim_module_print_version(sys_data_t *sys, char *options)
{
	return 0;
}

int ipmi_sim_module_init(sys_data_t *sys, const char *options)
{
	snprintf(file, sizeof(file), "%s", options ? options : "");
	ipmi_emu_register_group_extension_handler(0xDC, answer, NULL);
	return 0;
}
