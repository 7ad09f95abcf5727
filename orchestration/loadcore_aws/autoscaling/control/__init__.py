"""The periodic controller: it reads one business figure and sets a group's capacity by it.

decide says what is to be done, as a pure function; sources read the figure, scaling_group is the
group, memory keeps what is known between two readings, lease and lock see to it that there is one
controller at a time, and loop ties them together. aws_lambda runs the same in a function, for which
package makes the zip file.
"""
