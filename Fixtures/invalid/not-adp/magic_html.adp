<!DOCTYPE html>
<html><title>404</title></html>
                                                                                                                                                        