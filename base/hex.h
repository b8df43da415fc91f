/* Hexadecimal digits, one at a time. */
#ifndef BASE_HEX_H
#define BASE_HEX_H

/* The value of a digit of either case; -1: it is none. */
int hex_digit(char c);

/* The same where capital letters are none, as in text that has one spelling. */
int hex_small_digit(char c);

#endif
