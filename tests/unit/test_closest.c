/*
 * "Did you mean".
 */
#include "base/closest.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/util.h"

static const char *const words[] = {"team", "tournament", "draft",
    "draft_round", "team_member", "user", "transitive", "ops"};

static void
expect(const char *word, const char *nearest)
{
	const char *found = closest(word, words, N_ELEMENTS(words));

	if (nearest == NULL)
		cr_assert_null(found, "\"%s\" gave \"%s\"", word, found);
	else
		cr_assert(found != NULL && strcmp(found, nearest) == 0,
		    "\"%s\" gave \"%s\"", word, found == NULL ? "" : found);
}

Test(closest, finds_swapped_letters)
{
	expect("taem", "team");
}

Test(closest, finds_missing_and_added_letters)
{
	expect("tournment", "tournament");
	expect("tournamentt", "tournament");
	expect("drft", "draft");
	expect("teams", "team");
}

Test(closest, finds_other_case)
{
	expect("TEAM", "team");
	expect("Draft_Round", "draft_round");
}

Test(closest, finds_the_nearest_of_several)
{
	expect("draft_rond", "draft_round");
	expect("draf", "draft");
}

Test(closest, finds_nothing_far_away)
{
	expect("game", NULL);
	expect("tt", NULL);
	expect("", NULL);
	expect("x", NULL);
	expect("intransigent", NULL);
}

Test(closest, gives_up_on_very_long_words)
{
	char word[200];

	memset(word, 'a', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	expect(word, NULL);
}

Test(closest, finds_nothing_among_nothing)
{
	cr_assert_null(closest("team", NULL, 0));
}
