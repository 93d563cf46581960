/* Hill climbing after Caffeine: after each sample of requests the share goes a step on if the hit
 * ratio did not fall, and back if it fell. Steps shrink, so that it settles, but not to nothing.
 *
 * The hill may be flat for a long way, so that steps find nothing and noise turns them round: a
 * window that is too small for any recency has no hits, whatever its size. So one sample is made at
 * the other end, and climbing goes on from the better one, when there is little to lose: the hit
 * ratio has halved, which says that the workload changed, or is next to nothing for long. And at a
 * bound, where nothing it does changes anything, it tries the other direction from time to time.
 *
 * The numbers were measured: bench/README.md. */
#include "cache/climb.h"

#define SHARE_MIN 0.01
#define SHARE_MAX 0.99
#define SHARE_LOW 0.03 /* to begin with, and to scout at */
#define SHARE_HIGH 0.60
#define STEP_FIRST 0.0625
#define STEP_LEAST 0.005
#define STEP_DECAY 0.9
#define JUMP 0.05
#define REST_MAX 10u /* samples at a bound, or without a scout when nothing is hit */
#define SAMPLE_PER_ENTRY 4u

void weir_climb_init(weir_climb *climb)
{
    *climb = (weir_climb){.share = SHARE_LOW, .step = STEP_FIRST, .up = true};
}

double weir_climb_share(const weir_climb *climb)
{
    return climb->share;
}

/* Not too often: a scout costs a sample. */
static bool is_lost(const weir_climb *climb, double ratio)
{
    bool halved = ratio <= climb->ratio - JUMP && ratio < climb->ratio / 2;
    return halved || (ratio < JUMP && climb->since_scout >= REST_MAX);
}

static double within(double x, double least, double most)
{
    return x < least ? least : x > most ? most : x;
}

static void scout(weir_climb *climb, double ratio)
{
    climb->scouting = true;
    climb->since_scout = 0;
    climb->home = climb->share;
    climb->ratio = ratio;
    climb->share = climb->share < (SHARE_LOW + SHARE_HIGH) / 2 ? SHARE_HIGH : SHARE_LOW;
}

static void come_back(weir_climb *climb, double ratio)
{
    climb->scouting = false;
    climb->step = STEP_FIRST;
    climb->at_bound = 0;
    if (ratio > climb->ratio)
        climb->ratio = ratio;
    else
        climb->share = climb->home;
}

static void turn_round(weir_climb *climb)
{
    climb->up = !climb->up;
    climb->step = STEP_FIRST;
    climb->at_bound = 0;
}

static void move(weir_climb *climb, double change)
{
    if (change < 0)
        climb->up = !climb->up;
    if (change >= JUMP || change <= -JUMP)
        climb->step = STEP_FIRST;
    if (climb->at_bound >= REST_MAX)
        turn_round(climb);
    double to = climb->share + (climb->up ? climb->step : -climb->step);
    climb->share = within(to, SHARE_MIN, SHARE_MAX);
    climb->at_bound = climb->share == to ? 0 : climb->at_bound + 1;
    climb->step = within(climb->step * STEP_DECAY, STEP_LEAST, STEP_FIRST);
    climb->ratio += change;
    climb->since_scout++;
}

void weir_climb_count(weir_climb *climb, bool hit, size_t entries)
{
    climb->hits += hit;
    if (++climb->requests < entries * SAMPLE_PER_ENTRY)
        return;
    double ratio = (double)climb->hits / (double)climb->requests;
    climb->hits = climb->requests = 0;
    if (climb->scouting)
        come_back(climb, ratio);
    else if (is_lost(climb, ratio))
        scout(climb, ratio);
    else
        move(climb, ratio - climb->ratio);
}
