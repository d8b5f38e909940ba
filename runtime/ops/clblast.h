/*
 * clblast.h: the parameters that CLBlast's matrix products are compiled with on a device.
 *
 * CLBlast keeps them for the whole process, has tables of its own for many devices, and cannot go
 * back to those once others were put in their place. So a process has one set for a device: its
 * own tables, unless a set is named before the first product. Bits depend on it; whoever keeps a
 * run's bits keeps its name. Sets state all that decides about a product's order of terms.
 */
#ifndef UMB_CLBLAST_H
#define UMB_CLBLAST_H

#include <umbel/device.h>

/* The solver that goes by them. */
#define UMB_CLBLAST_SOLVER "clblast"
/* The name of CLBlast's own tables. */
#define UMB_CLBLAST_OWN "own"
/* The names of the other sets, each of which spells its numbers; NULL at the end. Only these are
 * taken: CLBlast divides by what it is told. None where the build has no CLBlast. */
extern const char *const umb__clblast_sets[];

/* The set that the device's products go by. */
const char *umb__clblast_used(const struct umb_device *device);
/* From now on they go by this one. Errors: UMB_ERR_UNSUPPORTED: no set of that name here, or the
 * process had a product by another on this device. */
UMB_MUST_USE enum umb_status umb__clblast_use(const struct umb_device *device, const char *set);
/* The same for who measures sets: also after a product by another. */
UMB_MUST_USE enum umb_status umb__clblast_try(const struct umb_device *device, const char *set);

/* Around each call for a product on the device, where the build has CLBlast: begin has CLBlast go
 * by the set, and holds the lock until end. It fails, and holds nothing, where CLBlast does not
 * take the set, or was to go back to its own: UMB_ERR_UNSUPPORTED. */
UMB_MUST_USE enum umb_status umb__clblast_begin(const struct umb_device *device);
void umb__clblast_end(void);

#endif
