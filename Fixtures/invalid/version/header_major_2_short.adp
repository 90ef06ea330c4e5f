‰ADP

