/*
 * Whole steps with every balancer against the same in double (twin.h): weights and parameters, with
 * one batch for all tasks and with batches of their own, of all gradients that are compared, with
 * heads both ways, and with steps between two comparisons.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "balance_nets.h"
#include "nets.h"
#include "twin.h"
#include "world.h"

#define STEPS 4
#define TOLERANCE 2e-4

/* Trains beside the twin, and compares them behind each step. */
static void compare(const struct balance_net *n, const struct umb_balancing *b, int steps)
{
    char what[160];
    const struct session_desc desc = {.device = world.device,
                                      .net = n->net,
                                      .batch = BALANCE_BATCH,
                                      .optimizer = "sgd",
                                      .seed = 4,
                                      .balancing = b};
    const struct twin_desc twin = {
        .balancing = b, .last_block = "last.", .representation = n->representation};
    struct session s = session_open(world.ctx, &desc);
    struct twin t = twin_open(&s, &twin);
    snprintf(what, sizeof what, "%s of %s, gradients %d, heads %d, every %d", b->name, n->name,
             (int)b->gradients, (int)b->heads, (int)b->every);
    for (int step = 0; step < steps; step++) {
        session_fill(&s, step);
        session_step(&s, 0.1);
        twin_step(&t, 0.1);
        twin_compare(&t, TOLERANCE, what);
    }
    twin_close(&t);
    session_close(&s);
}

static struct umb_balancing balancing_of(const struct umb_balancer *row)
{
    return (struct umb_balancing){
        .name = row->name, .options = balance_options(row), .epoch_steps = 2};
}

static void a_step_is_what_it_is_in_double(void **state)
{
    const struct umb_balancer *row = *state;
    const struct umb_balancing b = balancing_of(row);
    for (int k = 0; k < BALANCE_NETS; k++) {
        struct balance_net n = balance_net(world.ctx, k);
        compare(&n, &b, STEPS);
        umb_net_destroy(n.net);
    }
}

static void so_it_is_with_heads_the_other_way(void **state)
{
    const struct umb_balancer *row = *state;
    struct umb_balancing b = balancing_of(row);
    b.heads = row->weighs_heads ? UMB_HEADS_UNWEIGHTED : UMB_HEADS_WEIGHTED;
    for (int k = 0; k < 2; k++) {
        struct balance_net n = balance_net(world.ctx, k);
        compare(&n, &b, 2);
        umb_net_destroy(n.net);
    }
}

/* Rules of the Gram matrix, whatever it is of, in every third step. */
static void so_it_is_of_other_gradients(void **state)
{
    const struct umb_balancer *row = *state;
    struct umb_balancing b = balancing_of(row);
    for (int k = 0; k < 2; k++) {
        struct balance_net n = balance_net(world.ctx, k);
        for (int g = 0; g < 3; g++) {
            b.gradients = (enum umb_gradients)g;
            b.every = 1;
            if (g) { compare(&n, &b, 2); }
            b.every = 3;
            compare(&n, &b, 5);
        }
        umb_net_destroy(n.net);
    }
}

int main(void)
{
    struct CMUnitTest tests[128];
    size_t n = 0;
    for (int i = 0; umb__balancers[i]; i++) {
        const struct {
            const char *what;
            CMUnitTestFunction run;
            bool wanted;
        } cases[3] = {{"", a_step_is_what_it_is_in_double, true},
                      {", heads the other way", so_it_is_with_heads_the_other_way, true},
                      {", of other gradients", so_it_is_of_other_gradients,
                       umb__balancers[i]->needs == UMB_BALANCE_GRAM}};
        for (int k = 0; k < 3; k++) {
            static char names[128][64];
            if (!cases[k].wanted) { continue; }
            snprintf(names[n], sizeof names[n], "%s%s", umb__balancers[i]->name, cases[k].what);
            tests[n] = (struct CMUnitTest){.name = names[n],
                                           .test_func = cases[k].run,
                                           .initial_state = (void *)(uintptr_t)umb__balancers[i]};
            n++;
        }
    }
    return _cmocka_run_group_tests("balancing", tests, n, open_world, close_world);
}
