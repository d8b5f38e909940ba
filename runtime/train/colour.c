/*
 * colour.c: see colour.h. Shades are made in OKLCH, where equal lightness looks equally light in
 * every hue (B. Ottosson, "A perceptual color space for image processing", 2020).
 */
#include "colour.h"

#include <math.h>
#include <stdio.h>

#define PI 3.14159265358979323846
#define TRUNK_HUE 140.0
/* Heads: from cyan over blue, purple and red to yellow; green is the trunk's. */
#define FIRST_HUE 215.0
#define HUES 235.0
#define CHROMA 0.125
/* Values: colours that those who see no red or no green tell apart, too. */
#define BELOW_HUE 35.0
#define ABOVE_HUE 250.0
#define PALE 0.965 /* lightness of 0 */
#define DEEP 0.46  /* of the ends */
#define DARK 0.59  /* below it text is white; contrast is 3.9 and more on all shades */

static const double lightness[] = {[UMB_PHASE_FORWARD] = 0.76,
                                   [UMB_PHASE_LOSS] = 0.47,
                                   [UMB_PHASE_BACKWARD] = 0.64,
                                   [UMB_PHASE_UPDATE] = 0.88};

static int byte_of(double linear)
{
    const double v = linear <= 0.0031308 ? 12.92 * linear : 1.055 * pow(linear, 1 / 2.4) - 0.055;
    return (int)lround(255 * fmin(1, fmax(0, v)));
}

static const char *oklch(double light, double chroma, double hue, char buffer[UMB_COLOUR_TEXT])
{
    const double a = chroma * cos(hue * PI / 180), b = chroma * sin(hue * PI / 180);
    const double l = pow(light + 0.3963377774 * a + 0.2158037573 * b, 3);
    const double m = pow(light - 0.1055613458 * a - 0.0638541728 * b, 3);
    const double s = pow(light - 0.0894841775 * a - 1.2914855480 * b, 3);
    const unsigned red = (unsigned)byte_of(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s);
    const unsigned green =
        (unsigned)byte_of(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s);
    const unsigned blue =
        (unsigned)byte_of(-0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s);
    snprintf(buffer, UMB_COLOUR_TEXT, "#%02x%02x%02x", red & 0xff, green & 0xff, blue & 0xff);
    return buffer;
}

const char *umb__part_colour(int part, int n_heads, enum umb_phase phase,
                             char buffer[UMB_COLOUR_TEXT])
{
    const double hue =
        part == UMB_PART_TRUNK ? TRUNK_HUE : FIRST_HUE + HUES * (part + 0.5) / fmax(n_heads, 1);
    /* Near white the screen has less colour to give. */
    return oklch(lightness[phase], phase == UMB_PHASE_UPDATE ? CHROMA / 2 : CHROMA, hue, buffer);
}

const char *umb__phase_grey(enum umb_phase phase, char buffer[UMB_COLOUR_TEXT])
{
    return oklch(lightness[phase], 0, 0, buffer);
}

const char *umb__value_colour(double value, bool neutral_zero, char buffer[UMB_COLOUR_TEXT],
                              bool *ret_dark)
{
    const double hue = !neutral_zero ? TRUNK_HUE : value < 0 ? BELOW_HUE : ABOVE_HUE;
    const double size = fmin(1, neutral_zero ? fabs(value) : fmax(0, value));
    const double light = PALE - (PALE - DEEP) * size;
    *ret_dark = light < DARK;
    return oklch(light, CHROMA * sqrt(size), hue, buffer);
}
