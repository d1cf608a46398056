/*
 * Proof that a leak fails a test.  It is found when the test's process ends,
 * too late for Criterion to expect it: the whole program must fail.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

Test(canary, loses_memory)
{
	void *volatile lost = malloc(1000);

	memset(lost, 1, 1000);
	lost = NULL;
}
