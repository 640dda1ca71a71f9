/* page.S - page.html as bytes of the program */
        .section .rodata
        .globl  linkcheck_page
        .type   linkcheck_page, %object
linkcheck_page:
        .incbin "page.html"
        .globl  linkcheck_page_end
linkcheck_page_end:
        .byte   0
        .section .note.GNU-stack, "", %progbits
