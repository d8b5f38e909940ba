/*
 * gradient.h: autodiff against central differences, in double.
 */
#ifndef GRADIENT_H
#define GRADIENT_H

#include "text.h"
#include "trial.h"

/* Compares up to `samples` elements of the gradient of every smooth input of the trial's op with
 * (f(x+h) − f(x−h)) ÷ 2h; false and a line in report where they differ by more than 1e-6·(1+|g|).
 */
bool gradient_check(struct umb_trial *t, int samples, struct umb_text *report);

#endif
