/* Private to compat, but for the plan (compat.h): sequences. */
#ifndef WEIR_COMPAT_SEQUENCE_H
#define WEIR_COMPAT_SEQUENCE_H

#include "compat/compat.h"
#include "compat/face.h"

extern const weir_face_function weir_face_sequences[];

#endif
