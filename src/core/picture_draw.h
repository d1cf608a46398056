/*
 * The parts of the SVG picture: how large each is, and how it is drawn.
 * Private to picture_svg.c.
 */
#ifndef PGRIPPLE_CORE_PICTURE_DRAW_H
#define PGRIPPLE_CORE_PICTURE_DRAW_H

#include "core/picture.h"
#include "core/picture_layout.h"

struct buf;

/* Fills in width, height and port_height; the edges from the box to itself are
 * under it. */
void draw_measure_box(
    const struct picture *picture, size_t box, struct layout_box *place);
void draw_measure_label(
    const struct picture_edge *edge, struct layout_edge *place);

void draw_box(const struct picture *picture, size_t box,
    const struct layout_box *place, struct buf *buf);
void draw_edge(const struct picture *picture, const struct picture_edge *edge,
    const struct layout_edge *place, struct buf *buf);

/* The legend, with what the picture has, no wider than given if that can be.
 * Nothing is written without a buffer.  Returns its height. */
int draw_legend(
    const struct picture *picture, int x, int y, int width, struct buf *buf);

#endif
