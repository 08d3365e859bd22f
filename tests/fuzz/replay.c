/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A plain main() for a fuzz target: runs it over the files, and the files of
 * the directories, that are named; what fails, aborts and says which it was.
 */
#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

#include "tests/fuzz/fuzz.h"

static unsigned done;

static void
run_file(const char *path, size_t size)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data = malloc(size);

	if (f == NULL || (data == NULL && size > 0) ||
	    fread(data, 1, size, f) != size) {
		fprintf(stderr, "%s: can't be read\n", path);
		exit(1);
	}
	(void)fclose(f);
	/* for whoever reads what an abort leaves */
	fprintf(stderr, "%s\r", path);
	(void)LLVMFuzzerTestOneInput(data, size);
	free(data);
	done++;
}

static int
not_hidden(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

static void
run_path(const char *path)
{
	struct dirent **list;
	struct stat st;
	char name[4096];
	int n;

	if (stat(path, &st) != 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		exit(1);
	}
	if (!S_ISDIR(st.st_mode)) {
		run_file(path, (size_t)st.st_size);
		return;
	}
	n = scandir(path, &list, not_hidden, alphasort);
	for (int i = 0; i < n; i++) {
		(void)snprintf(name, sizeof(name), "%s/%s", path,
			list[i]->d_name);
		run_path(name);
		free(list[i]);
	}
	if (n >= 0)
		free(list);
}

int
main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		run_path(argv[i]);
	if (done == 0) {
		fprintf(stderr, "%s: no inputs: name files or directories\n",
			argv[0]);
		return 1;
	}
	/* as libcheck says it, for who counts */
	printf("Running fuzz corpus: %s\n"
		"100%%: Checks: %u, Failures: 0, Errors: 0\n",
		strrchr(argv[0], '_') == NULL ? argv[0] :
		strrchr(argv[0], '_') + 1, done);
	return 0;
}
