/*
 * room.h: tables of fixed size in tests. A test that finds no place must not be left out in
 * silence, so a program whose table is full ends before it runs any.
 */
#ifndef ROOM_H
#define ROOM_H

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

/* Aborts unless there is room for one more behind n of `most`. */
static inline void expect_room(size_t n, size_t most, const char *table)
{
    if (n < most) { return; }
    fprintf(stderr, "%s: the table is full with %zu; make it larger\n", table, most);
    abort();
}

#endif
