/* random.cl: placeholder */
