/* listing.h: what lies in a folder of images, and what splits are called. */
#ifndef UMB_LISTING_H
#define UMB_LISTING_H

#include "dataset.h"

struct umb_names {
    const char **name; /* in the data set's arena; sorted */
    size_t n, capacity;
};

/* What splits are called, as folders and in tables; the first is training. */
#define UMB_SPLIT_NAMES 4
struct umb_split_name {
    const char *name;
    enum umb_split split;
};
extern const struct umb_split_name umb__split_words[UMB_SPLIT_NAMES];

/* The names of the folders, or of the images (.png, .jpg, .jpeg), in a folder; those that begin
 * with a dot are passed over. names->name is freed by the caller, on failure too. */
UMB_MUST_USE enum umb_status umb__list_folder(struct umb_dataset *ds, const char *folder,
                                              bool want_folders, struct umb_names *names);
bool umb__has_folder(const char *folder);

/* Of two elements of such a list, for qsort and bsearch. */
int umb__compare_names(const void *a, const void *b);

#endif
