‰ADP

