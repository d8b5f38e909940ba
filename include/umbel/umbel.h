/*
 * umbel.h: the whole library in one include, for programs that use it.
 */
#ifndef UMBEL_UMBEL_H
#define UMBEL_UMBEL_H

#include <umbel/context.h>
#include <umbel/data.h>
#include <umbel/device.h>
#include <umbel/net.h>
#include <umbel/shape.h>
#include <umbel/soft_sharing.h>
#include <umbel/status.h>
#include <umbel/train.h>

#endif
