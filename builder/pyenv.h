#ifndef PKGSYNC_PYENV_H
#define PKGSYNC_PYENV_H

#include <stdbool.h>

#include "pkgsync/buf.h"

/* Append what a shim's choice depends on; false if it is no shim of pyenv. */
bool ps_pyenv_facts(const char *program, struct ps_buf *facts);

#endif
