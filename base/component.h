/*
 * What a thin snapshot may say of a component: the gate and the client go by the same rules. No
 * path is made of either, and neither has room for a file's content.
 */
#ifndef BASE_COMPONENT_H
#define BASE_COMPONENT_H

#include <stdbool.h>
#include <stddef.h>

/* [A-Za-z0-9@][A-Za-z0-9._:/@+-]{0,127}, as in libc6:amd64, @scope/core and libstdc++6: behind an
 * "@" at its begin, and behind each "/", stands a letter or digit; a "+" stands beside another. */
bool component_is_name(const char *text, size_t len);

/* [0-9A-Za-z][0-9A-Za-z.+~_:-]{0,63} */
bool component_is_version(const char *text, size_t len);

#endif
